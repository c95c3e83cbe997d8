"""What followers of a job are told, also after its end and while that is being kept."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lightning_demo.web.api.job import Event, Job, Record
from lightning_demo.web.api.jobs import Jobs
from lightning_demo.web.api.order import Asked, place
from lightning_demo.web.api.store import NotFound, Store
from lightning_demo.web.callers import Caller
from lightning_demo.web.painting import Painting

from ..fakes import LIMITS, FakeEngine

CALLER = Caller("key", "alice")
ORDER = place(Asked("a cat", count=2, warnings=["x: has no effect."]), LIMITS)


@dataclass
class Jobbing:
    """Jobs within a running loop."""

    engine: FakeEngine
    jobs: Jobs

    async def start(self) -> Job:
        return await self.jobs.start("test", CALLER, ORDER, {})


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path, 1, 1)
    yield made
    made.close()


def within(store: Store, test: Any) -> None:
    async def run() -> None:
        engine = FakeEngine()
        await test(Jobbing(engine, Jobs(Painting(engine), store)))
        await engine.aclose()

    asyncio.run(run())


async def all_of(job: Job, after: int = 0) -> list[Event]:
    return [event async for _, event in job.events(after)]


def test_the_lines_of_the_log_come_with_their_events(store):
    async def test(jobbing):
        jobbing.engine.notes = ("The prompt was cut.",)
        job = await jobbing.start()
        events = await all_of(job)
        lines = [*job.logs, *(line for event in events for line in event.logs)]
        assert lines == job.record.logs
        assert lines[0] == "x: has no effect."
        assert lines.count("The prompt was cut.") == 1  # for two pictures
        assert job.record.warnings == ["x: has no effect.", "The prompt was cut."]

    within(store, test)


def test_following_after_the_end_ends(store):
    async def test(jobbing):
        job = await jobbing.start()
        events = await all_of(job)
        assert events[-1].kind == "ended"
        assert await all_of(job, len(events) - 1) == events[-1:]
        assert await all_of(job, len(events)) == []
        assert await all_of(job, 1_000) == []

    within(store, test)


def test_one_that_is_only_in_the_store_tells_all_at_once(store):
    async def test(jobbing):
        job = await jobbing.start()
        await job.ended()
        del jobbing.jobs._jobs[job.record.id]
        again = await jobbing.jobs.job("test", job.record.id)
        assert list(again.logs) == job.record.logs
        assert [event.kind for event in await all_of(again)] == ["picture", "picture", "ended"]
        with pytest.raises(NotFound):
            await jobbing.jobs.job("other", job.record.id)

    within(store, test)


def test_a_cancel_that_comes_while_the_end_is_kept_changes_nothing(store, monkeypatch):
    async def test(jobbing):
        loop = asyncio.get_running_loop()
        keeping, kept = asyncio.Event(), threading.Event()
        put_job = store.put_job

        def slow(record: Any, *, ended: bool) -> int:
            if ended:
                loop.call_soon_threadsafe(keeping.set)
                kept.wait()
            return put_job(record, ended=ended)

        monkeypatch.setattr(store, "put_job", slow)
        job = await jobbing.start()
        await keeping.wait()
        cancelling = asyncio.create_task(jobbing.jobs.cancel("test", CALLER, job.record.id))
        await asyncio.sleep(0)
        kept.set()
        record: Record = await cancelling
        assert record.state == "succeeded"
        assert (await all_of(job))[-1].kind == "ended"

    within(store, test)


def test_a_secret_stays(store):
    assert store.secret("a") == store.secret("a")
    assert store.secret("a") != store.secret("b")
    assert len(store.secret("a")) == 32
