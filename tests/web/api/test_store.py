"""What outlives a request and the server."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lightning_demo.errors import EngineUnavailable
from lightning_demo.web.api import service
from lightning_demo.web.api import store as module
from lightning_demo.web.api.store import NotFound, Store

from ..conftest import Running, wait_for
from ..fakes import FakeEngine


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1_000_000.0]
    monkeypatch.setattr(module.time, "time", lambda: now[0])
    return now


def job(name: str, created: float = 1.0, **fields: Any) -> dict[str, Any]:
    return {"id": name, "vendor": "fal", "owner": "key:alice", "created": created, **fields}


def test_a_file_is_there_for_its_time_and_after_a_restart(
    tmp_path: Path, clock: list[float]
) -> None:
    store = Store(tmp_path / "store", hours=1, megabytes=1)
    name = store.put_file(b"data", "image/png")
    store.close()
    store = Store(tmp_path / "store", hours=1, megabytes=1)
    found = store.file(name)
    assert (found.path.read_bytes(), found.media_type) == (b"data", "image/png")
    clock[0] += 3601
    with pytest.raises(NotFound):
        store.file(name)
    store.close()
    store = Store(tmp_path / "store", hours=1, megabytes=1)
    store.sweep()
    assert not found.path.exists()
    store.close()


def test_jobs_expire_as_pictures_do_but_not_while_they_run(
    tmp_path: Path, clock: list[float]
) -> None:
    store = Store(tmp_path, hours=1, megabytes=1)
    store.put_job(job("ended", created=clock[0]), ended=True)
    store.put_job(job("running", created=clock[0]), ended=False)
    clock[0] += 3601
    for _ in range(2):
        with pytest.raises(NotFound):
            store.job("fal", "key:alice", "ended")
        assert [each["id"] for each in store.jobs("fal", "key:alice", None, 9)] == ["running"]
        store.sweep()
    store.close()


def test_records_of_jobs_have_a_budget(tmp_path: Path, clock: list[float]) -> None:
    store = Store(tmp_path, hours=1, megabytes=4)
    words = "x" * 20_000
    for number in range(200):
        created = clock[0] + number / 1000
        store.put_job(job(str(number), created=created, words=words), ended=number > 0)
    store.sweep()
    kept = [each["id"] for each in store.jobs("fal", "key:alice", None, 999)]
    assert kept[0] == "199" and kept[-1] == "0", "the newest, and the one that runs"
    assert 0 < sum(len(words) for _ in kept) < 2**20
    store.close()


def test_what_a_killed_server_had_not_noted_down_goes(tmp_path: Path) -> None:
    store = Store(tmp_path, hours=1, megabytes=1)
    name = store.put_file(b"kept", "image/png")
    stray, fresh, other = (tmp_path / f"{c * 32}.jpg" for c in ("a", "b", "z"))
    for path in (stray, fresh, other, tmp_path / name):
        path.write_bytes(b"data")
        if path != fresh:
            os.utime(path, (1, 1))
    store.close()
    store = Store(tmp_path, hours=1, megabytes=1)
    assert [path.exists() for path in (stray, fresh, other)] == [False, True, True]
    assert store.file(name).path.exists()
    store.close()


def test_the_oldest_go_first(tmp_path: Path, clock: list[float]) -> None:
    store = Store(tmp_path, hours=1, megabytes=1)
    names = []
    for _ in range(3):
        clock[0] += 1
        names.append(store.put_file(bytes(400_000), "image/jpeg"))
    with pytest.raises(NotFound):
        store.file(names[0])
    assert [store.file(name).name for name in names[1:]] == names[1:]
    assert len(list(tmp_path.glob("*.jpg"))) == 2
    store.close()


@pytest.mark.parametrize("name", ["", "..", "../store.sqlite", "store.sqlite", "%2e%2e", "a\0b"])
def test_no_other_file_can_be_had(tmp_path: Path, name: str) -> None:
    store = Store(tmp_path, hours=1, megabytes=1)
    with pytest.raises(NotFound):
        store.file(name)
    store.close()


@pytest.mark.skipif(os.name != "posix", reason="needs links that anybody may make")
def test_a_link_leads_nowhere(tmp_path: Path) -> None:
    """Named as a picture and put beside the others, to a file, or to none: it is none of ours."""
    folder, secret = tmp_path / "store", tmp_path / "secret"
    secret.write_text("secret")
    Store(folder, hours=1, megabytes=1).close()
    links = [folder / f"{'a' * 32}.png", folder / f"{'b' * 32}.png"]
    for link, target in zip(links, (secret, tmp_path / "gone"), strict=True):
        link.symlink_to(target)
        os.utime(link, (0, 0), follow_symlinks=False)
        store = Store(folder, hours=1, megabytes=1)
        with pytest.raises(NotFound):
            store.file(link.name)
        store.close()
    assert not any(link.is_symlink() for link in links)
    assert secret.read_text() == "secret"


def test_names_cannot_be_guessed_nor_the_folder_be_read_by_others(tmp_path: Path) -> None:
    store = Store(tmp_path / "mine", hours=1, megabytes=1)
    names = {store.put_file(b"", "image/webp") for _ in range(50)}
    assert len(names) == 50 and all(len(name) == len("x" * 32 + ".webp") for name in names)
    assert stat.S_IMODE((tmp_path / "mine").stat().st_mode) == 0o700
    store.close()


def test_what_is_in_a_folder_that_others_can_read_they_cannot(tmp_path: Path) -> None:
    """Prompts stand in pictures and in jobs."""
    (tmp_path / "store.sqlite").touch(0o644)
    tmp_path.chmod(0o755)
    store = Store(tmp_path, hours=1, megabytes=1)
    store.put_file(b"", "image/webp")
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755  # its owner may have reasons
    files = list(tmp_path.iterdir())
    assert len(files) == 4  # the picture, the database and what SQLite has beside it
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    store.close()


def test_a_newer_versions_database_is_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Store(tmp_path, hours=1, megabytes=1).close()
    with sqlite3.connect(tmp_path / "store.sqlite") as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(EngineUnavailable, match="cannot be used"):
        Store(tmp_path, hours=1, megabytes=1)
    assert "newer version of this demo (99)" in caplog.text


def test_a_job_is_its_owners(tmp_path: Path) -> None:
    store = Store(None, hours=1, megabytes=1)
    store.put_job(job("a", state="running"), ended=False)
    assert store.job("fal", "key:alice", "a")["state"] == "running"
    for vendor, owner, name in (
        ("fal", "key:bob", "a"),
        ("replicate", "key:alice", "a"),
        ("fal", "key:alice", "b"),
    ):
        with pytest.raises(NotFound):
            store.job(vendor, owner, name)
    assert [each["id"] for each in store.unfinished()] == ["a"]
    store.put_job(job("a", state="succeeded"), ended=True)
    assert store.unfinished() == []
    store.close()


def test_what_an_older_version_took_for_a_number_can_be_told(
    tmp_path: Path, clock: list[float]
) -> None:
    store = Store(tmp_path, hours=1, megabytes=1)
    store.put_job(job("a", created=clock[0], input={"x": float("inf")}), ended=False)
    assert store.job("fal", "key:alice", "a")["input"] == {"x": None}
    assert [each["input"] for each in store.jobs("fal", "key:alice", None, 9)] == [{"x": None}]
    assert [each["input"] for each in store.unfinished()] == [{"x": None}]
    store.close()


def test_jobs_are_listed_from_the_newest(tmp_path: Path, clock: list[float]) -> None:
    store = Store(tmp_path, hours=1, megabytes=1)
    clock[0] = 5.0
    for number in range(5):
        store.put_job(job(str(number), created=float(number)), ended=True)
    newest = store.jobs("fal", "key:alice", None, 2)
    assert [each["id"] for each in newest] == ["4", "3"]
    assert [each["id"] for each in store.jobs("fal", "key:alice", 3.0, 9)] == ["2", "1", "0"]
    store.close()


def test_use_is_added_up_by_day(tmp_path: Path, clock: list[float]) -> None:
    store = Store(tmp_path, hours=1, megabytes=1)
    for pictures in (1, 2):
        store.count_use("key:alice", pictures, pictures * 4)
    clock[0] += 86400
    store.count_use("key:alice", 5, 5)
    assert [(day["pictures"], day["steps"]) for day in store.usage("key:alice")] == [
        (3, 12),
        (5, 5),
    ]
    assert store.usage("key:bob") == []
    store.close()


def test_a_folder_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EngineUnavailable, match="cannot be used"):
        Store(tmp_path / "file", hours=1, megabytes=1)
    store = Store(tmp_path / "gone", hours=1, megabytes=1)
    store.close()
    with pytest.raises(EngineUnavailable, match="does not answer"):
        store.usage("key:alice")


def test_a_server_that_nobody_asks_forgets_what_has_expired(
    tmp_path: Path, start: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "SWEEP_SECONDS", 0.02)
    store = Store(tmp_path, hours=1, megabytes=1)
    paths = [store.file(store.put_file(b"data", "image/png")).path for _ in range(2)]
    store._execute("UPDATE files SET created = 1 WHERE name = ?", (paths[0].name,))
    start(FakeEngine(), files_dir=str(tmp_path))
    wait_for(lambda: not paths[0].exists())
    assert paths[1].exists()
    store._execute("UPDATE files SET created = 1")
    wait_for(lambda: not paths[1].exists())
    store.close()


def test_a_picture_that_cannot_be_removed_keeps_no_other(
    tmp_path: Path, clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(tmp_path, hours=1, megabytes=1)
    paths = [store.file(store.put_file(b"data", "image/png")).path for _ in range(3)]
    paths[0].unlink()  # what is missing is gone
    paths[1].unlink()
    paths[1].mkdir()  # which nobody can unlink
    clock[0] += 3601
    store.sweep()
    assert not paths[2].exists()
    kept = "SELECT name FROM files"
    assert store._execute(kept) == [(paths[1].name,)], "so that it is tried again"
    assert "cannot be removed" in caplog.text
    paths[1].rmdir()
    store.sweep()
    assert store._execute(kept) == []
    store.close()


@pytest.mark.parametrize("fault", [EngineUnavailable("It is locked."), OSError("In use.")])
def test_a_picture_that_is_kept_does_not_fail_with_the_sweep_behind_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    def fail(*about: Any) -> None:
        raise fault

    store = Store(tmp_path, hours=1, megabytes=1)
    monkeypatch.setattr(module.expiry, "sweep", fail)
    name = store.put_file(b"data", "image/png")
    assert store.file(name).path.read_bytes() == b"data"
    store.close()


@pytest.mark.parametrize("fault", [EngineUnavailable("It is locked."), OSError("In use.")])
def test_one_sweep_that_fails_does_not_end_them(
    tmp_path: Path,
    start: Callable[..., Running],
    monkeypatch: pytest.MonkeyPatch,
    fault: Exception,
) -> None:
    monkeypatch.setattr(service, "SWEEP_SECONDS", 0.02)
    store = Store(tmp_path, hours=1, megabytes=1)
    path = store.file(store.put_file(b"data", "image/png")).path
    store._execute("UPDATE files SET created = 1")
    store.close()
    faults = [fault, fault]
    sweep = Store.sweep

    def fail_twice(store: Store) -> None:
        if faults:
            raise faults.pop()
        sweep(store)

    monkeypatch.setattr(Store, "sweep", fail_twice)
    start(FakeEngine(), files_dir=str(tmp_path))
    wait_for(lambda: not path.exists())
