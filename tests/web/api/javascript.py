"""Node and the vendors' packages for it, where this machine has them.

`npm install --prefix tests` gets what tests/package.json names; LIGHTNING_NODE_MODULES is another
folder that has them. Without either, the tests that need them skip.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from ..conftest import PATIENCE

TESTS = Path(__file__).parents[2]
MODULES = Path(os.environ.get("LIGHTNING_NODE_MODULES") or TESTS / "node_modules").resolve()


def run_node(folder: Path, package: str, script: str, *options: str, **environment: str) -> str:
    """What a script prints that imports a package; both are in `folder` while it runs."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no node")
    if not (MODULES / package / "package.json").is_file():
        pytest.skip(f"there is no {package} (npm install --prefix tests)")
    (folder / "node_modules").symlink_to(MODULES)
    file = folder / "script.mjs"
    file.write_text(script, encoding="utf-8")
    command = [node, *options, str(file)]
    done = subprocess.run(  # noqa: S603
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=3 * PATIENCE,
        env={**os.environ, **environment},
    )
    if "bad option" in done.stderr:
        pytest.skip(f"this node is too old for {' '.join(options)}")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
