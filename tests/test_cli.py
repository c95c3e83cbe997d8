"""The command line as a whole: help for everything, `python app.py` is `serve`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from lightning_demo import __version__
from lightning_demo.cli import HELP, main
from lightning_demo.settings import Settings

from .processes import ROOT, ForkedPopen

COMMANDS = [
    *([name] for name in HELP),
    ["bench", "live"],
    ["bench", "engine"],
    ["miniature", "train"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_explains_itself(command: list[str], capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended:
        main([*command, "--help"])
    assert ended.value.code == 0
    assert "usage:" in capsys.readouterr().out


def test_app_py_serves_and_takes_the_same_options():
    done = subprocess.run(
        [sys.executable, "app.py", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in Settings.__dataclass_fields__:
        assert "--" + name.replace("_", "-") in done.stdout


def test_a_bad_option_is_named_and_nothing_starts(capsys: pytest.CaptureFixture[str]):
    assert main(["serve", "--port", "99999"]) == 2
    assert "port (LIGHTNING_PORT): must be from 0 to 65535" in capsys.readouterr().err
    assert main(["serve", "--model", "sd15"]) == 2
    assert "auto, miniature, sdxl-lightning" in capsys.readouterr().err


def test_the_version(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out.strip() == __version__


def test_parsing_is_quick():
    """Help and mistakes must not wait for torch, Gradio or what works with pictures."""
    code = (
        "import sys; from lightning_demo.cli import HELP, build_parser; parser = build_parser();"
        "[parser._subparsers._group_actions[0].choices[name].format_help() for name in HELP];"
        "slow = {'torch', 'gradio', 'diffusers', 'numpy', 'PIL', 'starlette', 'httpx', 'asyncio'};"
        "sys.exit(bool(slow & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0  # noqa: S603


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
def test_a_signal_while_the_model_loads_ends_cleanly():
    command = [sys.executable, "app.py", "--port", "0", "--model", "miniature"]
    with ForkedPopen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None and child.stderr is not None
        assert child.stdout.readline().startswith("Open http://")
        child.send_signal(signal.SIGTERM)
        assert child.wait(30) == 0
        assert "Traceback" not in child.stderr.read()
