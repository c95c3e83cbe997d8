"""One GPU: what `engine.local` and `engine.painter` do, with seconds instead of a model.

One call at a time; requests begin, step, are decoded and leave as there, and a test holds both
together. Not simulated: errors, too little memory, and bringing weights, which are all there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ...engine.base import Forecast
from ...engine.batching import Batcher, Entry, shows_preview
from ...engine.costs import Kind, Size
from ...schemas import GenerationRequest, Limits
from .clock import Clock, Process
from .cost_models import CostModel

STEPS = (1, 2, 4, 8)  # that a picture may be drafted with


class Reader(Protocol):
    """Who asks for pictures."""

    since: float | None  # when it began to wait in line; None: it does not

    def show(self, job: Job, step: int, final: bool) -> None:
        """A frame has arrived."""
        ...


@dataclass(slots=True, eq=False)
class Job:
    """One request on its way, as `engine.job` is."""

    reader: Reader
    request: GenerationRequest
    entry: Entry[Job] = field(init=False)
    steps: int = 0  # taken
    shown: int = 0  # the highest step that has arrived
    previewing: bool = False  # a preview is on its way to the reader
    closed: bool = False


@dataclass(slots=True)
class Work:
    """What a GPU has done."""

    calls: int = 0  # of a UNet
    steps: int = 0  # requests of those calls
    useful: int = 0  # of which a picture was shown
    finals: int = 0
    busy: float = 0.0  # seconds
    batches: list[tuple[float, frozenset[str]]] | None = None  # (time, prompts) of each call


class Gpu:
    """Serves requests as the engine does."""

    def __init__(self, clock: Clock, model: CostModel, *, keep_batches: bool = False) -> None:
        """
        Args:
            keep_batches: whether `work` is to tell every call.
        """
        self.sessions = 0
        sides = model.size
        self.limits = Limits(STEPS, STEPS[-2], (model.size,), min(sides), max(sides))
        self.work = Work(batches=[] if keep_batches else None)
        self._clock, self._model, self._costs = clock, model, model.costs
        self._batcher: Batcher[Job] = Batcher(self._costs)
        self._line = 0
        self._working = False

    @property
    def waiting(self) -> int:
        """Requests in line."""
        return self._line

    def admit(self, reader: Reader, request: GenerationRequest, *, draft: bool = False) -> Job:
        """A request joins the line, at its reader's place."""
        if reader.since is None:
            reader.since = self._clock.now
        job = Job(reader, request)
        job.entry = self._entry(job, reader.since, draft)
        self._batcher.add(job.entry)
        self._line += 1
        if not self._working:
            self._working = True
            self._clock.at(self._clock.now, lambda: self._clock.go(self._serve()))
        return job

    def forecast(self, reader: Reader, request: GenerationRequest, *, draft: bool) -> Forecast:
        """How a request would fare that was made now, at its reader's place."""
        since = self._clock.now if reader.since is None else reader.since
        return self._batcher.forecast(self._entry(Job(reader, request), since, draft))

    def close(self, job: Job) -> None:
        """Nobody wants a request any more. One that is being painted leaves after its step."""
        if job.closed:
            return
        job.closed = True
        if not job.entry.started:
            self._line -= 1
            self._batcher.remove(job.entry)

    def _entry(self, job: Job, since: float, draft: bool) -> Entry[Job]:
        request = job.request
        return Entry(
            job,
            request.num_inference_steps,
            (request.width, request.height),
            steps=request.num_inference_steps,
            since=since,
            rows=2 if request.guidance_scale > 1 else 1,
            draft=draft,
        )

    def _serve(self) -> Process:
        """Works until nobody asks for anything."""
        while True:
            self._batcher.keep(lambda entry: not entry.item.closed)
            batch = self._batcher.next()
            if not batch:
                self._working = False
                return
            crowded = len(self._batcher) > len(batch)
            yield from self._advance(batch, crowded)

    def _advance(self, batch: Sequence[Entry[Job]], crowded: bool) -> Process:
        new = sum(not entry.started for entry in batch)
        for entry in batch:
            if not entry.started:
                entry.started = True
                entry.item.reader.since = None
                self._line -= 1
        yield from self._busy(self._model.prompt * new)
        if self.work.batches is not None:
            prompts = frozenset(entry.item.request.prompt for entry in batch)
            self.work.batches.append((self._clock.now, prompts))
        seconds = self._costs.seconds("step", batch[0].size, sum(entry.rows for entry in batch))
        yield from self._busy(seconds)
        self._batcher.took(batch, seconds)
        self.work.calls += 1
        self.work.steps += len(batch)
        for entry in batch:
            entry.item.steps += 1
        stepped = [entry for entry in batch if not entry.item.closed]
        done = [entry for entry in stepped if not entry.steps]
        for draft in (True, False):
            finals = [entry for entry in done if entry.draft is draft]
            yield from self._decode("preview" if draft else "decoder", finals, final=True)
        previews = [
            entry
            for entry in stepped
            if entry.steps
            and not entry.item.previewing
            and shows_preview(entry.item.steps, draft=entry.draft, crowded=crowded)
        ]
        yield from self._decode("preview", previews, final=False)
        for entry in batch:
            if not entry.steps:
                self._batcher.remove(entry)

    def _decode(self, kind: Kind, entries: Sequence[Entry[Job]], *, final: bool) -> Process:
        if not entries:
            return
        size: Size = entries[0].size
        together = self._costs.cap(kind, size)
        for start in range(0, len(entries), together):
            part = [e.item for e in entries[start : start + together] if not e.item.closed]
            if part:
                yield from self._busy(self._costs.seconds(kind, size, len(part)))
                for job in part:
                    job.previewing = not final
                    self._send(job, job.steps, final)

    def _send(self, job: Job, step: int, final: bool) -> None:
        """Encoded beside the device, then shown."""

        def arrive() -> None:
            job.previewing = False
            if job.closed or step <= job.shown:
                return
            self.work.useful += step - job.shown
            self.work.finals += final
            job.shown = step
            job.reader.show(job, step, final)

        self._clock.at(self._clock.now + self._model.encode, arrive)

    def _busy(self, seconds: float) -> Process:
        if seconds:
            self.work.busy += seconds
            yield seconds
