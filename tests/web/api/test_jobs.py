"""Pictures that are painted behind their request."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from lightning_demo.errors import EngineUnavailable, GenerationFailed, RateLimited
from lightning_demo.web.api.job import Job
from lightning_demo.web.api.jobs import Jobs
from lightning_demo.web.api.order import Asked, place
from lightning_demo.web.api.store import NotFound, Store
from lightning_demo.web.callers import Caller
from lightning_demo.web.painting import Painting

from ..fakes import LIMITS, FakeEngine

Run = Callable[[Coroutine[Any, Any, Any]], Any]
ALICE, BOB = Caller("key", "alice", at_once=4), Caller("key", "bob")


@pytest.fixture
def store() -> Iterator[Store]:
    made = Store(None, hours=1, megabytes=8)
    yield made
    made.close()


async def begin(jobs: Jobs, caller: Caller = ALICE, count: int = 1, **options: Any) -> Job:
    order = place(Asked("a cat", seed=7, count=count), LIMITS)
    return await jobs.start("fal", caller, order, {"prompt": "a cat"}, **options)


def test_a_job_is_painted_told_and_kept(run: Run, store: Store) -> None:
    ends = []

    async def paint() -> None:
        jobs = Jobs(Painting(FakeEngine()), store)
        job = await begin(jobs, count=2, about={"model": "x"}, ended=ends.append)
        assert job.record.state == "queued"
        kinds = [event.kind async for _, event in job.events()]
        assert (kinds[0], kinds[-1], kinds.count("picture")) == ("started", "ended", 2)
        record = await jobs.record("fal", ALICE, job.record.id)
        assert (record.state, record.seed, record.about) == ("succeeded", 7, {"model": "x"})
        assert [picture.seed for picture in record.done] == [7, 8]
        assert record.logs[-1] == "100%|##########| 4/4 [00:00<00:00]"
        assert record.seconds > 0 and ends == [record]
        # Who comes late, or comes back, is told everything from where it was.
        again = [event.kind async for number, event in job.events(after=len(kinds) - 1)]
        assert again == ["ended"]
        for picture in record.done:
            assert store.file(picture.name).path.stat().st_size == picture.bytes
        assert store.usage("key:alice")[0]["pictures"] == 2
        assert (await Jobs(Painting(FakeEngine()), store).record("fal", ALICE, record.id)) == record

    run(paint())


def test_a_job_is_its_owners(run: Run, store: Store) -> None:
    async def ask() -> None:
        jobs = Jobs(Painting(FakeEngine()), store)
        job = await begin(jobs)
        await job.ended()
        for vendor, caller, name in (
            ("fal", BOB, job.record.id),
            ("replicate", ALICE, job.record.id),
            ("fal", ALICE, "nothing"),
        ):
            with pytest.raises(NotFound):
                await jobs.record(vendor, caller, name)
            with pytest.raises(NotFound):
                await jobs.cancel(vendor, caller, name)
        assert await jobs.list("fal", BOB) == []
        assert [each.id for each in await jobs.list("fal", ALICE)] == [job.record.id]

    run(ask())


def test_a_cancelled_job_stops_and_stays_cancelled(run: Run, store: Store) -> None:
    async def cancel() -> None:
        engine = FakeEngine()
        engine.hold()
        jobs = Jobs(Painting(engine), store)
        job = await begin(jobs)
        await engine.reached()
        assert (await jobs.cancel("fal", ALICE, job.record.id)).state == "cancelled"
        assert engine.running == 0
        assert (await jobs.cancel("fal", ALICE, job.record.id)).state == "cancelled"
        engine.release()
        done = await begin(jobs)
        await done.ended()
        assert (await jobs.cancel("fal", ALICE, done.record.id)).state == "succeeded"

    run(cancel())


def test_why_a_job_failed_is_told_and_secrets_are_not(run: Run, store: Store) -> None:
    async def fail() -> None:
        engine = FakeEngine()
        jobs = Jobs(Painting(engine), store)
        told = []
        for fault in (GenerationFailed("It broke."), RuntimeError("key=secret")):
            engine.fault = lambda request, fault=fault: fault
            job = await begin(jobs)
            await job.ended()
            assert (job.record.state, job.record.status) == ("failed", 500)
            told.append(job.record.error)
        assert told[0] == "It broke." and "secret" not in told[1]

    run(fail())


def test_a_killed_servers_jobs_have_failed(run: Run, store: Store) -> None:
    async def restart() -> None:
        engine = FakeEngine()
        engine.hold()
        job = await begin(Jobs(Painting(engine), store))
        await engine.reached()
        record = await Jobs(Painting(FakeEngine()), store).record("fal", ALICE, job.record.id)
        assert (record.state, record.status) == ("failed", 503)
        assert "restarted" in record.error

    run(restart())


def test_only_so_many_of_one_client(run: Run, store: Store) -> None:
    async def ask() -> None:
        engine = FakeEngine()
        engine.say(state="loading")
        jobs = Jobs(Painting(engine), store)
        first = await begin(jobs, count=3)
        with pytest.raises(RateLimited, match="4 pictures"):
            await begin(jobs, count=2)
        other = await begin(jobs, BOB)
        assert (jobs.place(first.record), jobs.place(other.record)) == (0, 1)
        engine.say(state="ready")
        await first.ended()
        await (await begin(jobs, count=4)).ended()

    run(ask())


def test_a_store_that_fails_leaves_nothing_behind(run: Run, store: Store) -> None:
    async def ask() -> None:
        jobs = Jobs(Painting(FakeEngine()), store)
        store.close()
        for _ in range(5):
            with pytest.raises(EngineUnavailable):
                await begin(jobs)

    run(ask())
