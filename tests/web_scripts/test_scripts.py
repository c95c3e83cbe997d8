"""The page's scripts: their types are right, and node tests what needs no page."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from lightning_demo.settings import ASSETS

from ..web.api.javascript import MODULES
from ..web.conftest import PATIENCE

HERE = Path(__file__).parent


def run(*command: str) -> None:
    """Runs a program to its end, which is to be a good one."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=3 * PATIENCE)  # noqa: S603
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]


def node() -> str:
    found = shutil.which("node")
    if found is None:
        pytest.skip("there is no node")
    return found


def test_the_scripts_types_are_right() -> None:
    compiler = MODULES / "typescript" / "bin" / "tsc"
    if not compiler.is_file():
        pytest.skip("there is no typescript (npm install --prefix tests)")
    run(node(), str(compiler), "--project", str(ASSETS / "web" / "jsconfig.json"))


def test_no_type_is_any() -> None:
    any_type = r"\{[^{}]*\bany\b[^{}]*\}|: any(?=\W*$|[,)\]|\[])"  # in a comment; in a declaration
    vague = re.compile(any_type + "|@ts-(?:ignore|expect-error|nocheck)")
    files = [*(ASSETS / "web").glob("*.js"), *(ASSETS / "web").glob("*.d.ts")]
    assert len(files) > 50
    found = [
        f"{path.name}: {line.strip()}"
        for path in files
        if not path.name.startswith("text_")
        for line in path.read_text(encoding="utf-8").splitlines()
        if vague.search(line)
    ]
    assert found == []


def test_the_scripts_that_need_no_page() -> None:
    tests = sorted(str(path) for path in HERE.glob("*.test.mjs"))
    assert len(tests) > 5
    run(node(), "--test", *tests)
