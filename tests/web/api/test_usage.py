"""What is used is added up behind the answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

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
