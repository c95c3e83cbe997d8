"""openai-python's own tests of image generation, loose and strict, with this server for OpenAI's.

They are in its source distribution only: `tests/openai_python.sh` unpacks it, and the variable
LIGHTNING_OPENAI_TESTS says where. Without it this test skips.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from ..conftest import PATIENCE, Running

FOLDER = os.environ.get("LIGHTNING_OPENAI_TESTS", "")
TESTS = "tests/api_resources/test_images.py"


@pytest.mark.skipif(not FOLDER, reason="there are no tests of openai-python's (openai_python.sh)")
def test_what_openai_asks_of_its_own_server(server: Running) -> None:
    environment = {
        **os.environ,
        "TEST_API_BASE_URL": f"{server.url}/v1",
        "PYTHONPATH": os.path.join(FOLDER, "packages"),
        "PYTEST_ADDOPTS": "",
    }
    for name in ("PYTEST_XDIST_WORKER", "PYTEST_CURRENT_TEST"):
        environment.pop(name, None)
    options = ["-q", "-n", "0", "-p", "no:cacheprovider", "-k", "generate"]
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "pytest", *options, TESTS],
        cwd=FOLDER,
        env=environment,
        capture_output=True,
        text=True,
        timeout=6 * PATIENCE,
    )
    assert done.returncode == 0, done.stdout[-5_000:] + done.stderr[-2_000:]
    passed = re.search(r"^(\d+) passed", done.stdout, re.MULTILINE)
    assert passed and int(passed[1]) >= 16, done.stdout[-1_000:]
    assert "skipped" not in done.stdout
