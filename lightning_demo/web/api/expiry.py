"""What the store forgets: pictures and jobs after their time, and the oldest beyond a budget."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

JOBS_PART = 4  # of the budget one part more, for the database with the records of jobs
JOBS_AT_ONCE = 10  # that are forgotten where there are too many
NAME = r"[0-9a-f]{32}\.(?:jpg|png|webp)"  # of a picture's file

Execute = Callable[..., list[Any]]  # a statement and its values


def sweep(execute: Execute, folder: Path, oldest: float, budget: int) -> None:
    """A file that cannot be removed stays noted down, and the next sweep tries again.

    Args:
        folder: with the pictures.
        oldest: when what has expired by now was made, or before; seconds since 1970.
        budget: bytes that pictures may have.
    """
    gone = execute("SELECT name, bytes FROM files WHERE created <= ?", (oldest,))
    total = bytes_of_files(execute) - sum(size for _, size in gone)
    if total > budget:
        kept = execute(
            "SELECT name, bytes FROM files WHERE created > ? ORDER BY created", (oldest,)
        )
        for name, size in kept:
            if total <= budget:
                break
            gone.append((name, size))
            total -= size
    for name, _ in gone:
        try:
            (folder / name).unlink(missing_ok=True)
        except OSError:
            log.exception("a picture that has expired cannot be removed")
            continue
        execute("DELETE FROM files WHERE name = ?", (name,))
    execute("DELETE FROM jobs WHERE ended = 1 AND created <= ?", (oldest,))
    # A record holds what its client has sent, which may be a megabyte.
    while _bytes_of_database(execute) > budget / JOBS_PART:
        ended = execute(
            "SELECT id FROM jobs WHERE ended = 1 ORDER BY created LIMIT ?", (JOBS_AT_ONCE,)
        )
        if not ended:
            return
        for (name,) in ended:
            execute("DELETE FROM jobs WHERE id = ?", (name,))


def forget_strays(execute: Execute, folder: Path, seconds: float) -> None:
    """Removes pictures that a killed server had written and not noted down yet.

    Args:
        seconds: that they must be old: another server may have this folder, too, and be about to
            note them down.
    """
    for path in folder.iterdir():
        if not re.fullmatch(NAME, path.name):
            continue
        with suppress(FileNotFoundError):  # that other server may have been quicker
            # Of a link itself, wherever it leads.
            if time.time() - path.lstat().st_mtime < seconds:
                continue
        if not execute("SELECT 1 FROM files WHERE name = ?", (path.name,)):
            path.unlink(missing_ok=True)


def bytes_of_files(execute: Execute) -> int:
    """What all pictures have together."""
    found: int = execute("SELECT COALESCE(SUM(bytes), 0) FROM files")[0][0]
    return found


def _bytes_of_database(execute: Execute) -> int:
    """What is in use of it: pages that have become free are used again."""
    pages, free, size = (
        execute(f"PRAGMA {name}")[0][0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)
