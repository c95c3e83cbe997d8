"""Pictures that are painted behind their request, for clients that ask again for the result.

A job's record is kept from its start, so that it outlives the server: who asks again after a
restart is told that it failed, and not for ever that it runs.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from typing import Any

from ...engine.base import Started, Value
from ...errors import RateLimited, report_incident
from ...schemas import Frame
from ..addresses import discount
from ..callers import Caller
from ..painting import Painting
from .files import keep
from .job import ENDED, Event, Job, Record, owner_of
from .order import Order
from .store import Store, new_id

log = logging.getLogger(__name__)

RESTARTED = "The server was restarted while this ran; ask again."
NOT_BEGUN = "This could not be noted down, so it was not begun; ask again."
REMEMBERED = 1_000  # ended jobs that are kept in memory, for who follows their events
# Of their records as JSON: what a client has sent takes up to twenty times as much in memory.
REMEMBERED_BYTES = 4 * 2**20


class Jobs:
    """All jobs of a server. Belongs to one event loop."""

    def __init__(self, painting: Painting, store: Store) -> None:
        self._painting = painting
        self._store = store
        self._jobs: dict[str, Job] = {}  # running, and the last that have ended
        self._pending: Counter[Hashable] = Counter()  # pictures of running jobs, by client
        for stored in store.unfinished():
            record = Record.read(stored)
            record.state, record.error, record.status = "failed", RESTARTED, 503
            record.ended = time.time()
            store.put_job(record.plain(), ended=True)

    async def start(
        self,
        vendor: str,
        caller: Caller,
        order: Order,
        given: Mapping[str, Any],
        about: Mapping[str, Any] | None = None,
        *,
        name: str = "",
        ended: Callable[[Record], None] | None = None,
    ) -> Job:
        """Begins to paint.

        Args:
            given: the client's own input, which the vendor's answers repeat.
            about: what else they repeat.
            name: the id, where the client has chosen it.
            ended: called at the end.

        Raises:
            LightningError: the caller has too much running, or the job cannot be kept.
        """
        count = len(order.requests)
        if self._pending[caller.client] + count > caller.at_once:
            self._painting.refused(caller)
            raise RateLimited(
                f"{caller.at_once} pictures of yours are waiting or being painted, as many as "
                "there may be; try again in a moment.",
            )
        first = order.requests[0]
        record = Record(
            name or new_id(),
            vendor,
            owner_of(caller),
            dict(given),
            dict(about or {}),
            first.num_inference_steps,
            count,
            first.seed,
            time.time(),
            warnings=list(order.warnings),
            logs=list(order.warnings),
            pictures=[None] * count,
        )
        job = Job(record)
        self._pending[caller.client] += count
        self._jobs[record.id] = job
        self._forget()
        try:
            await self._save(job)
        except BaseException:
            discount(self._pending, caller.client, count)
            del self._jobs[record.id]
            record.state, record.error, record.status = "failed", NOT_BEGUN, 503
            job.tell(Event("ended"))  # to who has joined or cancelled it meanwhile
            raise
        job.task = asyncio.create_task(self._run(job, order, caller, ended))
        return job

    async def record(self, vendor: str, caller: Caller, name: str) -> Record:
        """What is known of a job of this client.

        Raises:
            NotFound: there is none of this name.
        """
        job = self.live(vendor, caller, name)
        if job is not None:
            return job.record
        return Record.read(await asyncio.to_thread(self._store.job, vendor, owner_of(caller), name))

    async def job(self, vendor: str, name: str) -> Job:
        """A job, whoever's it is: for addresses that hold a secret of their own.

        Raises:
            NotFound: there is none of this name.
        """
        job = self._jobs.get(name)
        if job is not None and job.record.vendor == vendor:
            return job
        stored = await asyncio.to_thread(self._store.job, vendor, None, name)
        return Job.told_again(Record.read(stored))

    def live(self, vendor: str, caller: Caller, name: str) -> Job | None:
        """A job that runs, or has ended not long ago."""
        job = self._jobs.get(name)
        if job is None:
            return None
        mine = (job.record.vendor, job.record.owner) == (vendor, owner_of(caller))
        return job if mine else None

    def running(self, vendor: str, caller: Caller) -> tuple[Job, ...]:
        """The jobs of a client that wait or are being painted, the oldest first."""
        mine = (vendor, owner_of(caller))
        return tuple(
            job
            for job in self._jobs.values()
            if (job.record.vendor, job.record.owner) == mine and job.record.state not in ENDED
        )

    async def list(
        self, vendor: str, caller: Caller, before: float | None = None, count: int = 100
    ) -> list[Record]:
        """The newest jobs of a client."""
        stored = await asyncio.to_thread(self._store.jobs, vendor, owner_of(caller), before, count)
        live = self._jobs
        return [
            live[each["id"]].record if each["id"] in live else Record.read(each) for each in stored
        ]

    async def cancel(self, vendor: str, caller: Caller, name: str) -> Record:
        """Stops a job within a step; one that has ended stays as it is.

        Raises:
            NotFound: there is none of this name.
        """
        job = self.live(vendor, caller, name)
        if job is None:
            return await self.record(vendor, caller, name)
        job.cancel()
        await job.ended()
        return job.record

    def place(self, record: Record) -> int:
        """How many jobs came before one that waits, and wait still."""
        jobs = (job.record for job in self._jobs.values())
        return sum(job.state == "queued" and job.created < record.created for job in jobs)

    async def drain(self) -> None:
        """Waits for what is being painted."""
        if running := [job.task for job in self._jobs.values() if job.task and not job.task.done()]:
            await asyncio.wait(running)

    async def _run(
        self, job: Job, order: Order, caller: Caller, ended: Callable[[Record], None] | None
    ) -> None:
        record = job.record
        last: tuple[str, ...] = ()

        async def tell(place: int, value: Value) -> None:
            # A picture from memory comes without a start.
            if isinstance(value, Started | Frame) and record.state == "queued":
                record.state, record.started = "running", time.time()
                job.tell(Event("started"))
            if isinstance(value, Frame) and value.final:
                picture = await keep(self._store, value, order)
                record.pictures[place] = picture
                new = [note for note in order.notes(value) if note not in record.warnings]
                record.warnings += new
                record.logs += new
                job.tell(Event("picture", place, value, picture, tuple(new)))
            elif isinstance(value, Frame):
                line = _progress(value.step, record.steps)
                record.logs.append(line)
                job.tell(Event("step", place, value, logs=(line,)))

        job.painting = True
        try:
            if job.unwanted:
                raise asyncio.CancelledError
            await self._painting.paint_all(order.requests, caller, tell)
        except asyncio.CancelledError:
            record.state = "cancelled"
        except Exception as error:
            told = report_incident(error, "The picture could not be painted", log)
            record.state, record.error = "failed", told.message
            record.status, record.error_field = told.status, told.field
        else:
            record.state = "succeeded"
            last = (_progress(record.steps, record.steps),)
            record.logs.extend(last)
        job.painting = False
        record.ended = time.time()
        record.started = record.started or record.ended
        discount(self._pending, caller.client, record.count)
        try:
            await self._save(job)
            await asyncio.to_thread(
                self._store.count_use,
                record.owner,
                len(record.done),
                len(record.done) * record.steps,
            )
        except Exception as error:
            told = report_incident(error, "Its end could not be kept", log)
            log.error("job %s: %s", record.id, told.message)
        job.tell(Event("ended", logs=last))
        job.forget_previews()
        self._forget()
        if ended is not None:
            ended(record)

    async def _save(self, job: Job) -> None:
        record = job.record  # nothing changes it meanwhile
        job.bytes = await asyncio.to_thread(
            self._store.put_job, record.plain(), ended=record.state in ENDED
        )

    def _forget(self) -> None:
        """Of too many or too large ended jobs the oldest leave the memory; the store has them."""
        ended = [(name, job.bytes) for name, job in self._jobs.items() if job.over]
        more = len(self._jobs) - REMEMBERED
        size = sum(each for _, each in ended)
        for number, (name, each) in enumerate(ended):
            if number >= more and size <= REMEMBERED_BYTES:
                return
            del self._jobs[name]
            size -= each


def _progress(step: int, steps: int) -> str:
    """A line as tqdm writes it: clients of Replicate read the progress from it."""
    part = step / steps
    bar = ("#" * int(part * 10)).ljust(10)
    return f"{part:4.0%}|{bar}| {step}/{steps} [00:00<00:00]"
