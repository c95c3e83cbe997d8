"""What is left of the host's memory, as Linux tells it: a small file system of our own."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from lightning_demo.model.host_memory import (
    KEPT_BYTES,
    give_back_freed,
    host_has_room,
    host_memory,
)

GIB = 2**30


def root(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


MEMINFO = {"proc/meminfo": f"MemTotal: 99 kB\nMemAvailable:   {64 * 2**20} kB\n"}
V2, V1 = "sys/fs/cgroup/", "sys/fs/cgroup/memory/"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, None),
        ({"proc/meminfo": "MemTotal: 1 kB\n"}, None),
        (MEMINFO, 64 * GIB),
        pytest.param(
            {
                **MEMINFO,
                "proc/self/cgroup": "0::/\n",
                V2 + "memory.max": f"{16 * GIB}\n",
                V2 + "memory.current": f"{10 * GIB}\n",
                V2 + "memory.stat": f"anon 1\ninactive_file {3 * GIB}\n",
            },
            9 * GIB,
            id="container: cached files can be given up",
        ),
        pytest.param(
            {
                **MEMINFO,
                "proc/self/cgroup": "0::/system.slice/demo.service\n",
                V2 + "system.slice/memory.max": f"{12 * GIB}\n",
                V2 + "system.slice/memory.current": f"{2 * GIB}\n",
                V2 + "system.slice/demo.service/memory.max": "max\n",
                V2 + "system.slice/demo.service/memory.current": f"{GIB}\n",
            },
            10 * GIB,
            id="service: the group above has the limit",
        ),
        pytest.param(
            {
                **MEMINFO,
                "proc/self/cgroup": "5:memory:/docker/abc\n1:name=systemd:/docker/abc\n",
                V1 + "memory.limit_in_bytes": f"{8 * GIB}\n",
                V1 + "memory.usage_in_bytes": f"{3 * GIB}\n",
            },
            5 * GIB,
            id="version 1, seen from inside",
        ),
        pytest.param(
            {
                **MEMINFO,
                "proc/self/cgroup": "4:memory:/\n",
                V1 + "memory.limit_in_bytes": "9223372036854771712\n",
                V1 + "memory.usage_in_bytes": f"{3 * GIB}\n",
            },
            64 * GIB,
            id="version 1 without a limit",
        ),
    ],
)
def test_what_may_still_be_taken(files: dict[str, str], expected: int | None, tmp_path: Path):
    assert host_memory(root(tmp_path, files)) == expected


def test_some_is_always_left_to_others(tmp_path: Path):
    full = root(tmp_path, MEMINFO)
    assert host_has_room(64 * GIB - KEPT_BYTES, full)
    assert not host_has_room(64 * GIB - KEPT_BYTES + 1, full)
    assert host_has_room(999 * GIB, tmp_path / "none"), "not told: nothing is held back"


@pytest.mark.parametrize("system", ["linux", "win32"])
def test_freed_memory_is_given_back_where_the_c_library_can(
    monkeypatch: pytest.MonkeyPatch, system: str
):
    """musl's and Windows' keep none."""
    called: list[int] = []
    library = SimpleNamespace(malloc_trim=called.append)
    monkeypatch.setattr(sys, "platform", system)
    for found in (library, SimpleNamespace()):
        monkeypatch.setattr(ctypes, "CDLL", lambda name, found=found: found)
        give_back_freed()
    assert called == ([0] if system == "linux" else [])
