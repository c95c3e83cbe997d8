"""What is used is added up behind the answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from lightning_demo.errors import EngineUnavailable
from lightning_demo.web.api import usage
from lightning_demo.web.api.store import Store
from lightning_demo.web.api.usage import Usage

Run = Callable[[Coroutine[Any, Any, Any]], Any]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path, hours=1, megabytes=1)
    yield made
    made.close()


def test_who_asks_is_told_what_was_just_used(store: Store, run: Run):
    async def use() -> list[dict[str, Any]]:
        used = Usage(store)
        used.add("key:alice", 1, 4)
        used.add("key:bob", 1, 1)
        used.add("key:alice", 2, 8)
        assert store.usage("key:alice") == [], "no answer waits for it"
        return await used.of("key:alice")

    (day,) = run(use())
    assert (day["pictures"], day["steps"]) == (3, 12)
    assert store.usage("key:bob")[0]["pictures"] == 1


def test_it_is_written_although_nobody_asks(
    store: Store, run: Run, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(usage, "WRITE_SECONDS", 0.0)

    async def use() -> None:
        used = Usage(store)
        for _ in range(2):
            used.add("key:alice", 1, 4)
            before = len(asyncio.all_tasks())
            while len(asyncio.all_tasks()) == before:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.01)

    run(use())
    assert store.usage("key:alice")[0]["pictures"] == 2


def test_a_store_that_does_not_answer_costs_nobody_a_picture(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(usage, "WRITE_SECONDS", 0.0)
    closed = Store(tmp_path, hours=1, megabytes=1)
    closed.close()

    async def use() -> None:
        Usage(closed).add("key:alice", 1, 4)
        while not caplog.text.count("is not counted"):  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)

    run(use())


def test_what_a_store_has_not_taken_is_counted_later_and_once(
    store: Store, run: Run, monkeypatch: pytest.MonkeyPatch
):
    count_use = store.count_use

    def not_bobs(owner: str, pictures: int, steps: int) -> None:
        if owner == "key:bob":
            used.add(owner, 1, 4)  # meanwhile
            raise EngineUnavailable("The disk is full.")
        count_use(owner, pictures, steps)

    async def use() -> None:
        for owner in ("key:alice", "key:bob", "key:carol"):
            used.add(owner, 2, 8)
        with monkeypatch.context() as patch:
            patch.setattr(store, "count_use", not_bobs)
            for _ in range(2):
                with pytest.raises(EngineUnavailable):
                    await used.write()
        assert store.usage("key:carol"), "behind the one that fails"
        await used.aclose()

    monkeypatch.setattr(usage, "WRITE_SECONDS", 3600.0)
    used = Usage(store)
    run(use())
    for owner, pictures in (("key:alice", 2), ("key:bob", 4), ("key:carol", 2)):
        (day,) = store.usage(owner)
        assert (day["pictures"], day["steps"]) == (pictures, pictures * 4)


def test_a_store_that_does_not_answer_does_not_keep_the_server_from_ending(
    tmp_path: Path, run: Run, caplog: pytest.LogCaptureFixture
):
    closed = Store(tmp_path, hours=1, megabytes=1)
    closed.close()

    async def use() -> None:
        used = Usage(closed)
        used.add("key:alice", 1, 4)
        await used.aclose()

    run(use())
    assert "is not counted" in caplog.text
