"""The examples of our own documents, run as they stand but for the address."""

from __future__ import annotations

import json
import math
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from PIL import Image

from lightning_demo.cli import build_parser
from lightning_demo.commands.options import settings_from
from lightning_demo.web.api.access import KeyFile

from ...documents import DOCUMENTS, examples
from ..conftest import Running
from ..fakes import FakeEngine

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


def test_the_command_for_https() -> None:
    (command,) = (each for each in examples("api/fal.md", "bash") if each.startswith("python"))
    python, app, *options = shlex.split(command)
    assert (python, app) == ("python", "app.py") and (DOCUMENTS.parent / app).is_file()
    settings = settings_from(build_parser().parse_args(["serve", *options]))
    assert (settings.tls_cert, settings.tls_key) == ("cert.pem", "key.pem")


def test_the_line_for_nginx(start: Callable[..., Running]) -> None:
    (line,) = examples("api/fal.md", "nginx")
    values = {"$http_host": "demo.example.org:8443", "$scheme": "https"}
    headers = {name: values[value] for name, value in re.findall(r"_header (\S+) (\S+);", line)}
    running = start(FakeEngine(), open_api=True, allowed_hosts="demo.example.org")
    answer = httpx.post(f"{running.url}/v1/pictures", json={"prompt": "a"}, headers=headers)
    (picture,) = answer.json()["pictures"]
    assert picture["url"].startswith("https://demo.example.org:8443/files/")


def test_a_file_of_keys(tmp_path: Path) -> None:
    (lines,) = re.findall(
        r"^```\n(.*?)^```", (DOCUMENTS / "api.md").read_text(encoding="utf-8"), re.M | re.S
    )
    (tmp_path / "keys").write_text(lines)
    keys = KeyFile(tmp_path / "keys")
    alice, bob, tokyo = (keys.holder(word) for word in re.findall(r"sk-\w+", lines))
    assert (alice.name, alice.per_second, alice.at_once) == ("alice", 2, 8)
    assert (bob.name, bob.per_second) == ("bob", math.inf)
    assert [holder.name for holder in (alice, bob, tokyo) if holder.server] == ["tokyo"]


# Every example of docs/api, and who runs it.
RUN_BY = {
    ("a1111", "python"): ["test_a1111"],
    ("cloudflare", "python"): ["test_cloudflare"],
    ("cog", "python"): ["test_cog"],
    ("comfyui", "python"): ["test_comfyui"],
    ("fal", "bash"): ["../test_tls", "../../certificates", "test_docs"],
    ("fal", "python"): ["test_fal"] * 3,
    ("fal", "nginx"): ["test_docs"],
    ("fal", "javascript"): ["test_fal_javascript"] * 2,
    ("hugging-face", "python"): ["test_hugging_face"],
    ("mcp", "python"): ["test_docs"] * 2,
    ("mcp", "json"): ["test_docs"],
    ("native", "python"): ["test_docs"] * 3,
    ("native", "bash"): ["test_docs"] * 2,
    ("native", "javascript"): ["test_docs"],
    ("openai", "python"): ["test_openai"],
    ("openai", "javascript"): ["test_openai_javascript"],
    ("replicate", "python"): ["test_replicate"],
    ("runflow", "python"): ["test_runflow", "test_synexa"],
}


def test_every_example_is_run() -> None:
    found: Counter[tuple[str, str]] = Counter()
    for page in (DOCUMENTS / "api").glob("*.md"):
        text = page.read_text(encoding="utf-8")
        found.update((page.stem, language) for language in re.findall(r"^```(.+)$", text, re.M))
        assert text.count("\n```") == 2 * sum(
            n for (name, _), n in found.items() if name == page.stem
        )
    assert found == {example: len(tests) for example, tests in RUN_BY.items()}
    for (page, _), tests in RUN_BY.items():
        for test in tests:
            source = (Path(__file__).parent / f"{test}.py").read_text(encoding="utf-8")
            assert re.search(rf'"(api/{page}.md|{page})"', source), (page, test)


def test_every_link_leads_somewhere() -> None:
    text = (DOCUMENTS / "api.md").read_text(encoding="utf-8")
    for link in re.findall(r"\]\((api/[^)#]+)\)", text):
        assert (DOCUMENTS / link).is_file(), link
