"""Files and folders that no other user may read, or may have written."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from lightning_demo import private
from lightning_demo.private import (
    private_file,
    private_folder,
    readable_by_others,
    write_private,
    written_by_others,
)
from lightning_demo.surroundings import in_container

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows has other rights")


def rights(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(autouse=True)
def open_by_default(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is made here would be everybody's, were it not told otherwise."""
    monkeypatch.setattr(private, "in_container", lambda: False)
    before = os.umask(0)
    yield
    os.umask(before)


def test_what_is_made_is_closed_and_what_was_open_is(tmp_path: Path) -> None:
    new, old = tmp_path / "a" / "new", tmp_path / "old"
    old.mkdir(mode=0o775)
    for folder in (new, old):
        private_folder(folder)
        assert rights(folder) == 0o700
        assert written_by_others(folder) == ""
    file = new / "file"
    file.write_bytes(b"kept")
    file.chmod(0o644)
    private_file(file)
    assert (rights(file), file.read_bytes()) == (0o600, b"kept")
    write_private(new / "picture", b"data")
    assert rights(new / "picture") == 0o600
    with pytest.raises(FileExistsError):
        write_private(new / "picture", b"other")
    assert (new / "picture").read_bytes() == b"data"


def test_what_others_may_have_written_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "programs"
    folder.mkdir(mode=0o755)
    program = folder / "unet.ov"
    program.touch(0o644)
    assert written_by_others(program) == ""
    folder.chmod(0o777)
    assert written_by_others(program) == f"others may write to {folder}"
    folder.chmod(0o1777)  # as /tmp: nobody else can put another in its place
    assert written_by_others(program) == ""
    assert written_by_others(folder) != ""
    folder.chmod(0o755)
    program.chmod(0o666)
    assert str(program) in written_by_others(program)
    assert "cannot be looked at" in written_by_others(folder / "gone")


def test_a_group_counts_where_it_is_not_this_users_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "shared"
    folder.mkdir(mode=0o775)
    assert written_by_others(folder) == ""
    if os.geteuid() != 0:
        return
    os.chown(folder, 0, 12345)
    assert "others may write" in written_by_others(folder)
    os.chown(folder, 12345, 0)
    assert "belongs to another user" in written_by_others(folder)
    monkeypatch.setattr(private.os, "geteuid", lambda: 12345)
    assert written_by_others(folder) == ""


def test_a_link_is_as_what_it_leads_to(tmp_path: Path) -> None:
    folder, link = tmp_path / "open", tmp_path / "link"
    folder.mkdir(mode=0o777)
    link.symlink_to(folder)
    assert str(folder) in written_by_others(link)


def test_a_key_that_others_can_read(tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    key.touch(0o600)
    assert not readable_by_others(key)
    key.chmod(0o644)
    assert readable_by_others(key)


def test_in_a_container_there_is_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "volume"
    folder.mkdir(mode=0o777)
    assert written_by_others(folder) != ""
    monkeypatch.setattr(private, "in_container", lambda: True)
    assert written_by_others(folder) == ""
    mark = tmp_path / "mark"
    assert not in_container({}, [str(mark)])
    assert in_container({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, [])
    mark.touch()
    assert in_container({}, [str(mark)])


def test_on_windows_nothing_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has neither users by number nor such rights."""
    monkeypatch.setattr(private, "POSIX", False)
    monkeypatch.delattr(private.os, "geteuid")
    folder = tmp_path / "open"
    folder.mkdir(mode=0o777)
    private_folder(folder)
    private_file(folder / "file")
    assert written_by_others(folder) == ""
    assert not readable_by_others(folder / "file")
