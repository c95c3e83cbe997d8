"""Node and the vendors' packages for it, where this machine has them.

`npm install @fal-ai/client` anywhere, and LIGHTNING_NODE_MODULES=THERE/node_modules, or a folder
node_modules in the checkout. Without either, tests that need them skip.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
MODULES = Path(os.environ.get("LIGHTNING_NODE_MODULES") or ROOT / "node_modules").resolve()
PATIENCE = 60.0  # seconds; only a failure waits that long


def run_node(folder: Path, package: str, script: str, *options: str) -> str:
    """What a script prints that imports a package; both are in `folder` while it runs."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no node")
    if not (MODULES / package / "package.json").is_file():
        pytest.skip(f"there is no {package} (npm install; LIGHTNING_NODE_MODULES)")
    (folder / "node_modules").symlink_to(MODULES)
    file = folder / "script.mjs"
    file.write_text(script, encoding="utf-8")
    command = [node, *options, str(file)]
    done = subprocess.run(  # noqa: S603
        command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE
    )
    if "bad option" in done.stderr:
        pytest.skip(f"this node is too old for {' '.join(options)}")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
