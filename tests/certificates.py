"""Certificates for this machine, made by the command that our documents give; and a stranger's."""

from __future__ import annotations

import atexit
import os
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

import certifi
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


def trust_one_authority() -> None:
    """Lets this process and its children trust one authority of the internet instead of 140.

    httpx reads all of them for each client and each single call, which takes a core 25 ms: several
    thousand times in all tests, none of which asks anybody outside. A machine may have a list of
    its own in this variable, which is as long.
    """
    end = "-----END CERTIFICATE-----\n"
    handle, name = tempfile.mkstemp(".pem")
    atexit.register(Path(name).unlink, missing_ok=True)
    with open(handle, "w", encoding="ascii") as file:
        file.write(certifi.contents().partition(end)[0] + end)
    os.environ["SSL_CERT_FILE"] = name
