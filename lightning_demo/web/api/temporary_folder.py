"""A folder that ends with its server; what killed servers have left goes with the next start.

Whose server runs is told by a lock that it holds: the system takes that back however it ends, and
numbers of processes are given again.
"""

from __future__ import annotations

import logging
import os
import shutil
import stat
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

from filelock import FileLock, Timeout

log = logging.getLogger(__name__)

PREFIX = "lightning-demo-"
LOCK = "lock"


class TemporaryFolder:
    """One of this process's own, that nobody else can enter."""

    def __init__(self) -> None:
        """
        Raises:
            OSError: it cannot be made.
        """
        while True:
            self._folder = TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True)
            self.path = Path(self._folder.name)
            held = _hold(self.path)
            if held is not None:
                break
            self._folder.cleanup()  # another start has just taken it for one that was left
        self._lock = held

    def close(self) -> None:
        """Removes it."""
        self._lock.release()
        self._folder.cleanup()


def remove_left_ones() -> None:
    """Removes the folders of servers that run no more."""
    for each in Path(gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):
            if not _may_be_ours(each):
                continue
            held = _hold(each)
            if held is None:
                continue
            log.info("%s is removed: its server has been killed", each)
            for path in each.iterdir():
                if path.name != LOCK:
                    path.unlink()
            held.release()
            shutil.rmtree(each, ignore_errors=True)


def _may_be_ours(folder: Path) -> bool:
    """Whether this user has made it, as a server does; in `/tmp` anybody makes what they like.

    Raises:
        OSError: it is gone.
    """
    about = folder.lstat()
    mine = not hasattr(os, "geteuid") or about.st_uid == os.geteuid()
    return mine and stat.S_ISDIR(about.st_mode) and (folder / LOCK).is_file()


def _hold(folder: Path) -> FileLock | None:
    """The lock of a folder, held from now on; None where somebody else has it, or it is gone.

    Raises:
        OSError: there can be none.
    """
    lock = FileLock(folder / LOCK, timeout=0, mode=0o600, thread_local=False)
    try:
        lock.acquire()
    except Timeout:
        return None
    except NotImplementedError as error:
        raise OSError(str(error)) from None  # a file system without locks
    if (folder / LOCK).exists():
        return lock
    lock.release()
    return None
