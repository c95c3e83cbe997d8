"""How much of the host's memory this process may still take, and giving back what it need not."""

from __future__ import annotations

import ctypes
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

KEPT_BYTES = 4 * 2**30  # for everything else on the machine

ROOT = Path("/")
# Of a control group: files of its limit and its use, and the part of its use that can be given up.
V2_NAMES = ("memory.max", "memory.current", "inactive_file")
V1_NAMES = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def host_has_room(needed: int, root: Path = ROOT) -> bool:
    """Whether the host's memory can do without so many bytes; true where that is not told."""
    available = host_memory(root)
    return available is None or available - needed >= KEPT_BYTES


def host_memory(root: Path = ROOT) -> int | None:
    """Bytes of the host's memory that this process may still take; None where that is not told.

    A container often may take less than there is (control groups of Linux, version 2 and 1).

    Args:
        root: of the file system; another one in tests.
    """
    found = [_meminfo(root), *_control_groups(root)]
    return min((each for each in found if each is not None), default=None)


def give_back_freed() -> None:
    """Gives back what has been freed: a C library may keep it. Of those there are, glibc does."""
    if sys.platform == "linux":
        with suppress(AttributeError):
            ctypes.CDLL(None).malloc_trim(0)


def _meminfo(root: Path) -> int | None:
    found = re.search(r"^MemAvailable:\s+(\d+) kB", _read(root / "proc/meminfo"), re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def _control_groups(root: Path) -> Iterator[int]:
    """What is left in each group that holds this process and has a limit."""
    mounted = root / "sys/fs/cgroup"
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers in ("", "memory"):
            top = mounted / controllers
            own = top / path.lstrip("/")
            names = V1_NAMES if controllers else V2_NAMES
            # Inside a container the path is often one of the host, and its own group is on top.
            for folder in dict.fromkeys((own, *own.parents, top)):
                if folder.is_relative_to(top) and (left := _left(folder, *names)) is not None:
                    yield left


def _left(folder: Path, limit: str, usage: str, reclaimable: str) -> int | None:
    most, used = _read(folder / limit).strip(), _read(folder / usage).strip()
    if not (most.isdecimal() and used.isdecimal()):  # "max", or no such group
        return None
    # Files that are only cached are given up for whoever needs the memory.
    cached = re.search(rf"^{reclaimable} (\d+)$", _read(folder / "memory.stat"), re.MULTILINE)
    return int(most) - int(used) + (int(cached[1]) if cached else 0)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
