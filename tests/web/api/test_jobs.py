"""Pictures that are painted behind their request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from lightning_demo.engine.cached import CachedEngine, FrameCache
from lightning_demo.errors import EngineUnavailable, GenerationFailed, RateLimited
from lightning_demo.schemas import Frame
from lightning_demo.web.api import jobs as module
from lightning_demo.web.api.job import Job, Record
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
    given = options.pop("given", {"prompt": "a cat"})
    return await jobs.start("fal", caller, order, given, **options)


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


def test_a_picture_from_memory_begins_too(run: Run, store: Store) -> None:
    """Cog's stream, webhooks and fal's status tell the start."""

    async def paint() -> None:
        jobs = Jobs(Painting(CachedEngine(FakeEngine(), FrameCache(2**24))), store)
        for _ in range(2):
            job = await begin(jobs, count=2)
            kinds = [event.kind async for _, event in job.events()]
            assert (kinds[0], kinds.count("started"), kinds.count("picture")) == ("started", 1, 2)
        assert kinds == ["started", "picture", "picture", "ended"], "without steps, from memory"
        assert job.record.started and job.record.started <= (job.record.ended or 0)

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


def test_one_that_is_cancelled_before_it_has_begun_is_not_painted(run: Run, store: Store) -> None:
    async def cancel() -> None:
        engine = FakeEngine()
        jobs = Jobs(Painting(engine), store)
        ends = []
        # Started, but its task has not had a turn; then while it is being kept.
        early = await begin(jobs, count=4, name="early", ended=ends.append)
        await jobs.cancel("fal", ALICE, "early")
        starting = asyncio.create_task(begin(jobs, count=4, name="kept", ended=ends.append))
        await asyncio.sleep(0)
        await jobs.cancel("fal", ALICE, "kept")
        assert ends == [early.record, (await starting).record]
        for name in ("early", "kept"):
            record = await Jobs(Painting(engine), store).record("fal", ALICE, name)
            assert record.state == "cancelled" and record.ended
        assert engine.requests == []
        await (await begin(jobs, count=4)).ended()

    run(cancel())


def test_a_second_cancel_does_not_disturb_the_first(run: Run, store: Store) -> None:
    """What is given up may take a moment, such as on another server."""

    async def cancel() -> None:
        stopping, stopped, ends = asyncio.Event(), asyncio.Event(), []

        class Slow(Painting):
            async def paint_all(self, *about: Any) -> list[Frame]:
                try:
                    return await super().paint_all(*about)
                finally:
                    stopping.set()
                    await stopped.wait()
                    ends.append("in peace")

        engine = FakeEngine()
        engine.hold()
        jobs = Jobs(Slow(engine), store)
        job = await begin(jobs)
        await engine.reached()
        cancelling = [asyncio.create_task(jobs.cancel("fal", ALICE, job.record.id))]
        await stopping.wait()
        cancelling += [asyncio.create_task(jobs.cancel("fal", ALICE, job.record.id))]
        await asyncio.sleep(0)
        stopped.set()
        assert {record.state for record in await asyncio.gather(*cancelling)} == {"cancelled"}
        assert ends == ["in peace"]

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


def test_one_that_cannot_be_begun_leaves_nothing_behind_and_ends_for_all(
    run: Run, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def put_job(record: Any, *, ended: bool) -> int:
        raise RecursionError

    async def ask() -> None:
        jobs = Jobs(Painting(FakeEngine()), store)
        with monkeypatch.context() as patch:
            patch.setattr(store, "put_job", put_job)
            for _ in range(5):
                starting = asyncio.create_task(begin(jobs, name="x"))
                await asyncio.sleep(0)
                joined = jobs.live("fal", ALICE, "x")
                assert joined is not None
                with pytest.raises(RecursionError):
                    await starting
                assert joined.over
                assert joined.record.state == "failed" and "not begun" in joined.record.error
        assert jobs.running("fal", ALICE) == ()
        await (await begin(jobs, count=4)).ended()

    run(ask())


def test_an_end_that_cannot_be_kept_is_an_end(
    run: Run, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_job = store.put_job

    def only_beginnings(record: Any, *, ended: bool) -> int:
        if ended:
            raise RuntimeError
        return put_job(record, ended=ended)

    async def ask() -> None:
        monkeypatch.setattr(store, "put_job", only_beginnings)
        jobs = Jobs(Painting(FakeEngine()), store)
        ends: list[Record] = []
        job = await begin(jobs, ended=ends.append)
        await job.ended()
        assert ends == [job.record] and job.over
        assert (await jobs.record("fal", ALICE, job.record.id)).state == "succeeded"

    run(ask())


def test_what_clients_have_sent_leaves_the_memory_and_is_told_all_the_same(
    run: Run, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REMEMBERED_BYTES", 10_000)

    async def ask() -> None:
        jobs = Jobs(Painting(FakeEngine()), store)
        for number in range(6):
            large = {"prompt": "a cat", "x": ["y" * 3_000]}
            await (await begin(jobs, name=f"{number}", given=large)).ended()
        small = await begin(jobs, name="small")
        await small.ended()
        await (await begin(jobs, name="huge", about={"z": "z" * 20_000})).ended()
        remembered = [name for name in [*"012345", "small"] if jobs.live("fal", ALICE, name)]
        assert remembered == [] and jobs.live("fal", ALICE, "huge") is None
        assert (await jobs.record("fal", ALICE, "0")).input == large
        assert len(await jobs.list("fal", ALICE)) == 8

        for number in range(6):
            await (await begin(jobs, name=f"{number}", given=large)).ended()
        assert [name for name in "012345" if jobs.live("fal", ALICE, name)] == ["4", "5"]

    run(ask())
