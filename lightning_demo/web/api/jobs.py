"""Pictures that are painted behind their request, for clients that ask again for the result.

A job's record is kept from its start, so that it outlives the server: who asks again after a
restart is told that it failed, and not for ever that it runs.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Hashable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from typing import Any, Literal

from ...engine.base import Started, Value
from ...errors import LightningError, RateLimited, report_incident
from ...schemas import Frame
from ..addresses import discount
from ..callers import Caller
from ..painting import Painting
from .files import Picture, keep
from .order import Order
from .store import Store, new_id

log = logging.getLogger(__name__)

RESTARTED = "The server was restarted while this ran; ask again."
REMEMBERED = 1_000  # ended jobs that are kept in memory, for who follows their events

State = Literal["queued", "running", "succeeded", "failed", "cancelled"]
ENDED: tuple[State, ...] = ("succeeded", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class Event:
    """Something new of a job."""

    kind: Literal["started", "step", "picture", "ended"]
    place: int = 0  # of the picture that it is about
    frame: Frame | None = None  # of a step: the preview
    picture: Picture | None = None
    logs: tuple[str, ...] = ()  # lines that came with it


@dataclass(slots=True)
class Record:
    """What is known of a job; plain values that JSON can hold. Times are seconds since 1970."""

    id: str
    vendor: str
    owner: str
    input: dict[str, Any]  # as the client sent it
    about: dict[str, Any]  # what else the vendor's answers repeat
    steps: int  # of each picture
    count: int
    seed: int
    created: float
    state: State = "queued"
    started: float | None = None
    ended: float | None = None
    error: str = ""
    status: int = 0  # of the error
    error_field: str | None = None
    logs: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    pictures: list[Picture | None] = field(default_factory=list)  # by place; None: not yet

    @property
    def done(self) -> list[Picture]:
        """The pictures that are there."""
        return [picture for picture in self.pictures if picture is not None]

    @property
    def seconds(self) -> float:
        """That it was painted for; 0 before the end."""
        return (self.ended or 0.0) - self.started if self.started and self.ended else 0.0

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Record:
        """A record as it was kept."""
        pictures = [each and Picture(**each) for each in stored["pictures"]]
        return cls(**{**stored, "pictures": pictures})


class Job:
    """A record while its server lives, and whoever follows it."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.logs = tuple(record.logs)  # lines before the first event
        self.task: asyncio.Task[None] | None = None
        self._events: list[Event] = []
        self._changed = asyncio.Event()

    @classmethod
    def told_again(cls, record: Record) -> Job:
        """An ended job from its record: all lines of its log, its pictures, the end."""
        job = cls(record)
        for place, picture in enumerate(record.pictures):
            if picture is not None:
                job.tell(Event("picture", place, picture=picture))
        job.tell(Event("ended"))
        return job

    @property
    def preview(self) -> Frame | None:
        """The newest one, while it runs."""
        return next((event.frame for event in reversed(self._events) if event.frame), None)

    def tell(self, event: Event) -> None:
        """Adds what is new and wakes who waits for it."""
        self._events.append(event)
        self._changed.set()
        self._changed = asyncio.Event()

    async def events(self, after: int = 0) -> AsyncIterator[tuple[int, Event]]:
        """Everything that has happened and will happen, numbered from 1, to the end."""
        while True:
            while after < len(self._events):
                event = self._events[after]
                after += 1
                yield after, event
            if self._events and self._events[-1].kind == "ended":
                return
            await self._changed.wait()

    async def ended(self) -> None:
        """Waits for the end."""
        if self.task is not None:
            await asyncio.wait([self.task])

    def forget_previews(self) -> None:
        """Nobody needs them after the end."""
        self._events = [replace(event, frame=None) for event in self._events]


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
            store.put_job(asdict(record), ended=True)

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
            LightningError: the caller has too much running.
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
            await self._save(record)
        except LightningError:
            self._pending[caller.client] -= count
            del self._jobs[record.id]
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
        if job is not None and job.task is not None:
            if job.record.state not in ENDED:  # else it is being saved
                job.task.cancel()
            await job.ended()
        return await self.record(vendor, caller, name)

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
            if isinstance(value, Started) and record.state == "queued":
                record.state, record.started = "running", time.time()
                job.tell(Event("started"))
            elif isinstance(value, Frame) and value.final:
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

        try:
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
        record.ended = time.time()
        record.started = record.started or record.ended
        discount(self._pending, caller.client, record.count)
        try:
            await self._save(record)
            await asyncio.to_thread(
                self._store.count_use,
                record.owner,
                len(record.done),
                len(record.done) * record.steps,
            )
        except LightningError as error:
            log.error("job %s: %s", record.id, error.message)
        job.tell(Event("ended", logs=last))
        job.forget_previews()
        if ended is not None:
            ended(record)

    async def _save(self, record: Record) -> None:
        ended = record.state in ENDED
        await asyncio.to_thread(self._store.put_job, asdict(record), ended=ended)

    def _forget(self) -> None:
        over = len(self._jobs) - REMEMBERED
        if over > 0:
            old = [name for name, job in self._jobs.items() if job.record.state in ENDED]
            for name in old[:over]:
                del self._jobs[name]


def owner_of(caller: Caller) -> str:
    """Whose a job is: nobody else can ask for it."""
    return f"{caller.kind}:{caller.name}"


def _progress(step: int, steps: int) -> str:
    """A line as tqdm writes it: clients of Replicate read the progress from it."""
    part = step / steps
    bar = ("#" * int(part * 10)).ljust(10)
    return f"{part:4.0%}|{bar}| {step}/{steps} [00:00<00:00]"


def iso_time(seconds: float | None) -> str | None:
    """A time of a record as vendors write it, e.g. 2026-11-26T14:58:41.123Z."""
    if seconds is None:
        return None
    time = datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds")
    return time.replace("+00:00", "Z")
