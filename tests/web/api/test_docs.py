"""The examples of our own documents, run as they stand but for the address."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from ...documents import DOCUMENTS, examples
from ..conftest import Running

ADDRESS = "127.0.0.1:7860"
PYTHON = [*examples("api/native.md", "python"), *examples("api/mcp.md", "python")]


def run(command: list[str], folder: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(DOCUMENTS.parent)}
    done = subprocess.run(  # noqa: S603
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def here(example: str, server: Running) -> str:
    return example.replace(ADDRESS, server.url.partition("://")[2])


@pytest.mark.parametrize("number", range(len(PYTHON)))
def test_python(
    server: Running,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: int,
) -> None:
    monkeypatch.chdir(tmp_path)
    exec(here(PYTHON[number], server), {"__name__": "example"})  # noqa: S102
    assert capsys.readouterr().out


@pytest.mark.parametrize("number", range(2))
def test_commands(server: Running, tmp_path: Path, number: int) -> None:
    command = here(examples("api/native.md", "bash")[number], server)
    words = shlex.split(command.replace("\\\n", " "))
    if words[0] == "python":
        words[0] = sys.executable
    elif shutil.which(words[0]) is None:
        pytest.skip(f"there is no {words[0]}")
    run(words, tmp_path)
    with Image.open(next(tmp_path.glob("*.png"))) as picture:
        assert picture.format == "PNG"


def test_javascript(server: Running, tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no node")
    (example,) = examples("api/native.md", "javascript")
    file = tmp_path / "example.mjs"
    file.write_text(here(example, server), encoding="utf-8")
    knows = run([node, "-p", "typeof WebSocket"], tmp_path).strip() == "function"
    told = run([node, *([] if knows else ["--experimental-websocket"]), str(file)], tmp_path)
    assert told.splitlines()[-1].startswith("painted ")


def test_an_assistants_entry() -> None:
    (entry,) = examples("api/mcp.md", "json")
    command = json.loads(entry)["mcpServers"]["lightning"]
    assert command == {"command": "python", "args": ["-m", "lightning_demo", "mcp"]}


def test_every_link_leads_somewhere() -> None:
    text = (DOCUMENTS / "api.md").read_text(encoding="utf-8")
    for link in re.findall(r"\]\((api/[^)#]+)\)", text):
        assert (DOCUMENTS / link).is_file(), link
