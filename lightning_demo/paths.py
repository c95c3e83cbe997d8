"""Paths as people write them: what cannot be one is no file and no folder, without a traceback.

`pathlib` raises instead for names that are too long (before Python 3.14) and for the home of
somebody who is not known.
"""

from __future__ import annotations

import os
from pathlib import Path


def path_of(written: str) -> Path:
    """A path, `~` at its beginning expanded where that is somebody's home."""
    return Path(os.path.expanduser(written))


def is_folder(path: Path) -> bool:
    """Whether there is such a folder."""
    return os.path.isdir(path)


def is_file(path: Path) -> bool:
    """Whether there is such a file."""
    return os.path.isfile(path)


def is_taken(path: Path) -> bool:
    """Whether something else than a folder is there."""
    return os.path.exists(path) and not is_folder(path)
