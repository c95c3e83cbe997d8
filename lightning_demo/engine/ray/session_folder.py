"""What Ray writes for one cluster: sockets and logs, in a folder that it leaves behind."""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from pathlib import Path

TRIES = 3
PAUSE_SECONDS = 0.1  # a process that is just ending may write once more


def remove_session(folder: Path) -> None:
    """Removes it when the cluster has ended.

    Args:
        folder: of one session, beside those of others and a link to the newest.
    """
    for _ in range(TRIES):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            break
        time.sleep(PAUSE_SECONDS)
    newest = folder.with_name("session_latest")
    with suppress(OSError):
        if newest.is_symlink() and newest.readlink() == folder:
            newest.unlink()
        folder.parent.rmdir()  # unless others have one
