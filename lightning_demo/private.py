"""Files and folders that no other user of this machine shall read, or may have written.

What visitors typed stands in some of them, and compiled programs are code that is run. On Windows
a user's own folders are closed to others as they are: there nothing is looked at.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from .surroundings import in_container

POSIX = os.name == "posix"
ONLY_MINE = 0o700  # of folders; of files the same without the right to run them


def private_folder(folder: Path) -> None:
    """Makes a folder that nobody else can enter; one that is there and ours is closed.

    Raises:
        OSError: it cannot be made.
    """
    for each in reversed((folder, *folder.parents)):
        each.mkdir(mode=ONLY_MINE, exist_ok=True)
    _close(folder)


def private_file(file: Path) -> None:
    """The same for a file, which is left as it is where it is there.

    Raises:
        OSError: it cannot be made.
    """
    os.close(os.open(file, os.O_WRONLY | os.O_CREAT, ONLY_MINE & 0o666))
    _close(file)


def write_private(file: Path, data: bytes) -> None:
    """Writes a new file that nobody else can read.

    Raises:
        OSError: it cannot be written, or is there.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with open(os.open(file, flags, ONLY_MINE & 0o666), "wb") as opened:
        opened.write(data)


def written_by_others(path: Path) -> str:
    """Why something may have been written by another user; empty where it cannot have been.

    Looked at are the path and the folders that it is in: whoever may rename one may put another in
    its place. A group that has only this user in it, as Linux makes one for each, is this user.
    In a container there is nobody else, and volumes come with whatever rights.
    """
    if not POSIX or in_container():
        return ""
    try:
        return next((why for each in _way(path) if (why := _open_to_others(each, path))), "")
    except OSError as error:
        return f"{path} cannot be looked at ({error.strerror})"


def readable_by_others(file: Path) -> bool:
    """Whether other users of this machine can read a file, such as a key."""
    return POSIX and not in_container() and bool(file.stat().st_mode & stat.S_IROTH)


def _way(path: Path) -> Iterator[Path]:
    whole = path.resolve()
    yield whole
    yield from whole.parents


def _open_to_others(each: Path, path: Path) -> str:
    found = each.stat()
    if found.st_uid not in (os.geteuid(), 0):
        return f"{each} belongs to another user"
    held = bool(found.st_mode & stat.S_ISVTX) and each != path.resolve()
    if held:  # as in /tmp: what is in it can be renamed by its owner alone
        return ""
    others = found.st_mode & stat.S_IWOTH
    group = found.st_mode & stat.S_IWGRP and found.st_gid not in (os.getegid(), 0)
    return f"others may write to {each}" if others or group else ""


def _close(path: Path) -> None:
    """Takes all rights of others from what is this user's own."""
    if not POSIX:
        return
    found = path.stat()
    if found.st_uid == os.geteuid() and found.st_mode & 0o077:
        path.chmod(stat.S_IMODE(found.st_mode) & ONLY_MINE)
