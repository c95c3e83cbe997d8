"""How the vendors' clients are run: the examples of the documentation, and JavaScript."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from ..conftest import PATIENCE

ROOT = Path(__file__).parents[3]
DOCUMENTED = "http://127.0.0.1:7860"  # the server's address in the examples

# Over plain http; reading certificates would take longest of all.
fetch = partial(httpx.get, verify=False)
post = partial(httpx.post, verify=False)
connect = partial(httpx.Client, verify=False, timeout=30)


def example(page: str, url: str, language: str = "python") -> str:
    """The first example of docs/api/`page`.md, for the server at `url`."""
    text = (ROOT / "docs" / "api" / f"{page}.md").read_text(encoding="utf-8")
    found = re.search(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert found
    assert DOCUMENTED in found[1]
    return found[1].replace(DOCUMENTED, url)


def run_node(package: str, program: str, folder: Path, **environment: str) -> Any:
    """What a JavaScript program that uses a package of npm prints, as JSON.

    Skips the test without node or the package: `npm install PACKAGE` where the tests are run from,
    or name the folder with it in LIGHTNING_NODE_MODULES.
    """
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no node")
    modules = Path(os.environ.get("LIGHTNING_NODE_MODULES", "node_modules")).absolute()
    if not (modules / package).is_dir():
        pytest.skip(f"npm install {package}, or set LIGHTNING_NODE_MODULES to where it is")
    (folder / "node_modules").symlink_to(modules)
    script = folder / "program.mjs"
    script.write_text(program, encoding="utf-8")
    done = subprocess.run(  # noqa: S603
        [node, str(script)],
        capture_output=True,
        text=True,
        check=False,
        timeout=3 * PATIENCE,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
