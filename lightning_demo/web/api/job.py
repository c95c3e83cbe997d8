"""One job: what is known and kept of it, what happens to it, and whoever follows that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime, timezone
from typing import Any, Literal

from ...schemas import Frame
from ..callers import Caller
from .files import Picture

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

    def plain(self) -> dict[str, Any]:
        """All of it as it is kept. What the client sent is not copied: it may be large."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {**values, "pictures": [each and asdict(each) for each in self.pictures]}

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
        self.painting = False  # and can be stopped; before and after that, it is being kept
        self.unwanted = False  # cancelled, maybe before it began
        self.bytes = 0  # of its record as it was kept
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

    @property
    def over(self) -> bool:
        """Whether its end has been told: nothing more happens to it."""
        return bool(self._events) and self._events[-1].kind == "ended"

    def cancel(self) -> None:
        """Stops it within a step, or before its first; one that has ended stays as it is."""
        if self.painting and not self.unwanted and self.task is not None:
            self.task.cancel()
        self.unwanted = True

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
            if self.over:
                return
            await self._changed.wait()

    async def ended(self) -> None:
        """Waits for the end."""
        while not self.over:
            await self._changed.wait()

    def forget_previews(self) -> None:
        """Nobody needs them after the end."""
        self._events = [replace(event, frame=None) for event in self._events]


def owner_of(caller: Caller) -> str:
    """Whose a job is: nobody else can ask for it."""
    return f"{caller.kind}:{caller.name}"


def iso_time(seconds: float | None) -> str | None:
    """A time of a record as vendors write it, e.g. 2026-11-26T14:58:41.123Z."""
    if seconds is None:
        return None
    time = datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds")
    return time.replace("+00:00", "Z")
