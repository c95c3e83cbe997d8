"""The processes that tests fork behave like programs that are started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from .processes import FORKS, ROOT, ForkedPopen

PYTHON = sys.executable
pytestmark = pytest.mark.skipif(not FORKS, reason="nothing is forked here")


def output(*args: str, cwd: Path = ROOT) -> str:
    """What a program prints; it must end well."""
    quiet = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with ForkedPopen([PYTHON, *args], cwd=cwd, **quiet) as child:
        assert child.stdout is not None
        text = child.stdout.read()
        assert child.wait(20) == 0
    return text


def test_it_is_there_with_everything_and_no_thread():
    code = "import os, sys; print('gradio' in sys.modules, 'peft' in sys.modules,"
    code += " len(os.listdir('/proc/self/task')))"
    assert output("-c", code).split() == ["True", "True", "1"]


def test_arguments_variables_and_folder_are_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINE", "now")
    code = "import os, sys; print(*sys.argv[1:], os.environ['MINE'], os.getcwd())"
    assert output("-c", code, "a", "b", cwd=tmp_path).split() == ["a", "b", "now", str(tmp_path)]


def test_files_and_modules_are_programs_too():
    text = output("app.py", "--help")
    assert "usage:" in text and text == output("-m", "lightning_demo", "serve", "--help")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_signal_ends_it_and_is_its_exit_code(number: int):
    code = "import time; print('here', flush=True); time.sleep(60)"
    with ForkedPopen([PYTHON, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as it:
        assert it.stdout is not None and it.stdout.readline() == "here\n"
        with pytest.raises(subprocess.TimeoutExpired):
            it.wait(0.01)
        os.kill(it.pid, number)
        assert it.wait(20) == -number


def test_an_error_is_its_exit_code():
    with ForkedPopen(
        [PYTHON, "-c", "1 / 0"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as child:
        assert child.wait(20) == 1
        assert child.stderr is not None and "ZeroDivisionError" in child.stderr.read()
