"""The real core driven by the time of an event loop, and an engine whose device is a table."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...engine.base import MAX_WAITING, STOPPED, Forecast, Started, Stream, Value, Work
from ...engine.core import EngineCore
from ...engine.events import Called, Dropped, Failed, Painted, Scheduled
from ...engine.in_flight import InFlightRequest
from ...engine.latency_model import Kind, LatencyModel
from ...engine.latest import Latest
from ...engine.runner import Decoded, Pixels, Runner
from ...errors import EngineUnavailable
from ...schemas import STEP_COUNTS, EngineStatus, Frame, GenerationRequest, Limits
from .device_model import DeviceModel

NO_PIXELS: Pixels = np.zeros((0, 0, 3), np.uint8)
SMALLER = ((768, 768), (512, 512))  # what SDXL paints, and so drafts


@dataclass(slots=True)
class _Row:
    """A request that has started, as far as a table knows it."""

    request: GenerationRequest
    step: int = 0
    chunks: int = 1


class TableRunner:
    """Does nothing, and says how long it takes."""

    def __init__(self, model: DeviceModel) -> None:
        self._model = model

    def begin(
        self, requests: Sequence[GenerationRequest], *, asked: bool = True
    ) -> tuple[list[_Row | Exception], int, float]:
        """See `Runner.begin`."""
        rows: list[_Row | Exception] = [_Row(request) for request in requests]
        return rows, len(rows), self._model.prompt * len(rows)

    def step(self, rows: Sequence[_Row]) -> float:
        """See `Runner.step`."""
        for row in rows:
            row.step += 1
        return self._seconds("step", rows, sum(row.request.unet_rows for row in rows))

    def decode(self, kind: Kind, rows: Sequence[_Row]) -> Decoded:
        """See `Runner.decode`."""
        return [NO_PIXELS] * len(rows), self._seconds(kind, rows, len(rows))

    def decode_beside(self, rows: Sequence[_Row]) -> None:
        """A table is of a device that does one thing at a time."""
        return None

    def interrupt(self, kind: str) -> None:
        """See `Runner.interrupt`: nobody else calls meanwhile."""

    def notes(self, row: _Row) -> tuple[str, ...]:
        """See `Runner.notes`."""
        return ()

    def is_resident(self, num_inference_steps: int) -> bool:
        """See `Runner.is_resident`."""
        return True

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
    busy: float = 0.0  # seconds


class LoopEngine:
    """The core driven by an event loop: seconds pass where `LocalEngine` would compute."""

    def __init__(
        self,
        runner: Runner,
        latency_model: LatencyModel,
        status: EngineStatus,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        self._status = status
        self._core = EngineCore(status.limits, latency_model, max_waiting)
        self._core.start(runner)
        self._readers: dict[InFlightRequest, Latest[Value]] = {}
        self._serving: asyncio.Task[None] | None = None

    def status(self) -> EngineStatus:
        """See `Engine.status`."""
        waiting, yielding = self._core.waiting, self._core.yielding
        if (self._status.waiting, self._status.yielding) != (waiting, yielding):
            self._status = replace(self._status, waiting=waiting, yielding=yielding)
        return self._status

    def forecast(self, work: Work) -> Forecast | None:
        """See `Engine.forecast`."""
        return self._core.forecast(work, _now())

    def amend(self, work: Work, amended: Work) -> None:
        """See `Engine.amend`."""
        self._core.amend(work, amended)

    async def generate(self, work: Work) -> Stream:
        """See `Engine.generate`."""
        self._refuse_when_stopped()
        request = self._core.request(work, _now())
        reader = self._readers[request] = Latest()
        try:
            self._core.admit(request)
            if self._serving is None:
                self._serving = asyncio.create_task(self._serve())
            async for value in reader:
                if isinstance(value, Frame):
                    self._core.take(request)
                yield value
        finally:
            self._core.drop(request)
            del self._readers[request]

    async def aclose(self) -> None:
        """See `Engine.aclose`."""
        self._status = replace(self._status, state="closed", detail=STOPPED)
        if self._serving is not None:
            self._serving.cancel()
        for reader in self._readers.values():
            reader.end(EngineUnavailable(STOPPED))

    def _refuse_when_stopped(self) -> None:
        if self._status.state in ("failed", "closed"):
            raise EngineUnavailable(self._status.detail)

    async def _serve(self) -> None:
        """Works until nobody asks for anything."""
        while self._core.in_flight:
            for event in self._core.step():
                if isinstance(event, Called):
                    await self._spend(event)
                else:
                    self._handle(event)
        self._serving = None

    async def _spend(self, call: Called) -> None:
        await asyncio.sleep(call.seconds)

    def _handle(self, event: Scheduled | Painted | Failed | Dropped) -> None:
        reader = self._readers.get(event.request)
        if reader is None:
            return
        if isinstance(event, Scheduled):
            reader.put(Started())
        elif isinstance(event, Failed):
            reader.end(event.error)
        elif isinstance(event, Painted):
            self._deliver(event, reader)

    def _deliver(self, painted: Painted, reader: Latest[Value]) -> None:
        reader.put(self._frame(painted))
        if painted.final:
            reader.end()

    def _frame(self, painted: Painted) -> Frame:
        return Frame(painted.request.work.request, b"", "", painted.step, painted.final)


class SimulatedEngine(LoopEngine):
    """An engine whose device is a table of seconds; it counts what that has done."""

    def __init__(self, model: DeviceModel, limits: Limits | None = None) -> None:
        """
        Args:
            limits: of the model that it stands for; the size of `model` when absent, and smaller
                ones that SDXL paints, for drafts.
        """
        if limits is None:
            sizes = [model.size, *(size for size in SMALLER if max(size) < min(model.size))]
            limits = Limits(STEP_COUNTS, 4, tuple(sizes), min(sizes[-1]), max(model.size))
        status = EngineStatus("ready", model.name, model.name, limits)
        # Nobody is refused: how long they would wait is the question.
        super().__init__(TableRunner(model), model.latency_model, status, sys.maxsize)
        self.tally = Tally()
        self.sessions = 0
        self._encode = model.encode

    async def _spend(self, call: Called) -> None:
        self.tally.busy += call.seconds
        if call.kind == "step":
            self.tally.calls += 1
            self.tally.steps += len(call.batch)
        await super()._spend(call)

    def _deliver(self, painted: Painted, reader: Latest[Value]) -> None:
        # Encoded beside the device, then shown.
        loop = asyncio.get_running_loop()
        loop.call_later(self._encode, super()._deliver, painted, reader)


def _now() -> float:
    return asyncio.get_running_loop().time()
