"""An engine whose device is a table: the real core, driven by the time of the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ...engine.base import Forecast, Started, Stream, Work
from ...engine.core import Called, EngineCore, Event, Painted, Scheduled
from ...engine.latency_model import Kind
from ...engine.latest import Latest
from ...engine.queue import InFlightRequest
from ...engine.runner import Pixels
from ...schemas import EngineStatus, Frame, GenerationRequest, Limits
from .device_model import DeviceModel

STEPS = (1, 2, 4, 8)  # that a picture may be drafted with
NO_PIXELS: Pixels = np.zeros((0, 0, 3), np.uint8)


@dataclass(slots=True)
class _Row:
    """A request that has started, as far as a table knows it."""

    request: GenerationRequest
    step: int = 0


class TableRunner:
    """Does nothing, and says how long it takes."""

    def __init__(self, model: DeviceModel) -> None:
        self._model = model

    def begin(
        self, requests: Sequence[GenerationRequest]
    ) -> tuple[list[_Row | Exception], int, float]:
        """See `Runner.begin`."""
        rows: list[_Row | Exception] = [_Row(request) for request in requests]
        return rows, len(rows), self._model.prompt * len(rows)

    def step(self, rows: Sequence[_Row]) -> float:
        """See `Runner.step`."""
        for row in rows:
            row.step += 1
        return self._seconds("step", rows, sum(row.request.unet_rows for row in rows))

    def decode(self, kind: Kind, rows: Sequence[_Row]) -> tuple[list[Pixels], float]:
        """See `Runner.decode`."""
        return [NO_PIXELS] * len(rows), self._seconds(kind, rows, len(rows))

    def notes(self, row: _Row) -> tuple[str, ...]:
        """See `Runner.notes`."""
        return ()

    def seconds_to_load(self, num_inference_steps: int) -> float:
        """All weights are there."""
        return 0.0

    def _seconds(self, kind: Kind, rows: Sequence[_Row], count: int) -> float:
        size = rows[0].request.width, rows[0].request.height
        return self._model.latency_model.seconds(kind, size, count)


@dataclass(slots=True)
class Tally:
    """What a simulated device has done."""

    calls: int = 0  # of a UNet
    steps: int = 0  # requests of those calls
    useful: int = 0  # of which a picture was shown
    finals: int = 0
    busy: float = 0.0  # seconds
    batches: list[tuple[float, frozenset[str]]] = field(default_factory=list)  # (time, prompts)


class SimulatedEngine:
    """Serves as `LocalEngine` does; seconds pass where that would compute."""

    def __init__(
        self, model: DeviceModel, limits: Limits | None = None, *, keep_batches: bool = False
    ) -> None:
        """
        Args:
            limits: of the model that it stands for; the size of `model` when absent.
            keep_batches: whether `tally` is to tell every call.
        """
        if limits is None:
            limits = Limits(STEPS, STEPS[-2], (model.size,), min(model.size), max(model.size))
        self.tally = Tally()
        self.sessions = 0
        self._status = EngineStatus("ready", model.name, model.name, limits)
        self._encode = model.encode
        self._keep_batches = keep_batches
        self._core = EngineCore(limits, model.latency_model)
        self._core.start(TableRunner(model))
        self._readers: dict[InFlightRequest, Latest[Started | Frame]] = {}
        self._seen: dict[InFlightRequest, int] = {}  # steps of the last picture that has arrived
        self._serving: asyncio.Task[None] | None = None

    def status(self) -> EngineStatus:
        """See `Engine.status`."""
        return replace(self._status, waiting=self._core.waiting)

    def forecast(self, work: Work) -> Forecast:
        """See `Engine.forecast`."""
        return self._core.forecast(work, _now())

    async def generate(self, work: Work) -> Stream:
        """See `Engine.generate`."""
        request = self._core.admit(work, _now())
        reader = self._readers[request] = Latest()
        if self._serving is None:
            self._serving = asyncio.create_task(self._serve())
        try:
            async for value in reader:
                self._core.take(request)
                yield value
        finally:
            self._core.drop(request)
            del self._readers[request]
            self._seen.pop(request, None)

    async def aclose(self) -> None:
        """See `Engine.aclose`."""
        if self._serving is not None:
            self._serving.cancel()

    async def _serve(self) -> None:
        """Works until nobody asks for anything."""
        while self._core.in_flight:
            for event in self._core.step():
                if isinstance(event, Called):
                    self._count(event)
                    await asyncio.sleep(event.seconds)
                else:
                    self._handle(event)
        self._serving = None

    def _count(self, call: Called) -> None:
        self.tally.busy += call.seconds
        if call.kind != "step":
            return
        self.tally.calls += 1
        self.tally.steps += len(call.batch)
        if self._keep_batches:
            prompts = frozenset(request.work.request.prompt for request in call.batch)
            self.tally.batches.append((_now(), prompts))

    def _handle(self, event: Event) -> None:
        reader = self._readers.get(event.request) if not isinstance(event, Called) else None
        if reader is None:
            return
        if isinstance(event, Scheduled):
            reader.put(Started())
        elif isinstance(event, Painted):
            # Encoded beside the device, then shown.
            loop = asyncio.get_running_loop()
            loop.call_later(self._encode, self._deliver, event, reader)

    def _deliver(self, painted: Painted, reader: Latest[Started | Frame]) -> None:
        request = painted.request
        if request.dropped:
            return
        self.tally.useful += painted.step - self._seen.get(request, 0)
        self.tally.finals += painted.final
        self._seen[request] = painted.step
        frame = Frame(request.work.request, b"", "", painted.step, painted.final)
        reader.put(frame)
        if painted.final:
            reader.end()


def _now() -> float:
    return asyncio.get_running_loop().time()
