"""Certificates for this machine, made by the command that our documents give."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from .documents import examples


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate that nobody else trusts, and its key."""
    (command,) = (c for c in examples("api/fal.md", "bash") if c.startswith("openssl"))
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl")
    folder.mkdir(exist_ok=True)
    subprocess.run(shlex.split(command), cwd=folder, check=True, capture_output=True)  # noqa: S603
    return folder / "cert.pem", folder / "key.pem"
