"""A real sampler that can be watched, held still and made to fail; a session and its reader."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any

from lightning_demo.engine.base import Engine, Value, Work
from lightning_demo.engine.build import about
from lightning_demo.engine.latency_model import LatencyModel
from lightning_demo.engine.local import LocalEngine
from lightning_demo.engine.session import LiveEvent, LiveSession
from lightning_demo.errors import OutOfMemory
from lightning_demo.model.sampling.sampler import Sampler
from lightning_demo.model.sampling.step import Row
from lightning_demo.model.weights.checkpoints import MINIATURE
from lightning_demo.schemas import Frame, GenerationRequest
from lightning_demo.settings import Settings

from .moments import settle


class ObservedSampler(Sampler):
    """Counts steps, notes threads, waits at a gate, fails on the prompt "poison"."""

    def __init__(self, components: Any) -> None:
        super().__init__(components)
        self.steps: list[str] = []  # prompt of every step taken
        self.threads: set[int] = set()
        self.busy = threading.Lock()
        self.overlaps = 0
        self._gate = threading.Event()
        self._gate.set()
        self._at_gate = threading.Event()
        self.after_step: Callable[[Row], None] = lambda row: None
        self.batches: list[list[str]] = []  # prompts of every UNet call
        self.memory_rows = 8  # beyond, a step runs out of memory
        self.refused = 0
        self._until_hold = 0
        self.end: BaseException | None = None  # what ends the thread after its next step

    @property
    def tier(self) -> str:
        """Asked for by the engine after each step, outside of all that it guards."""
        if self.end is not None:
            raise self.end
        return super().tier

    def warm_up(self) -> None:
        """Nothing: the components are warm."""

    def hold(self) -> None:
        """Lets the next step wait until `release`."""
        self._at_gate.clear()
        self._gate.clear()

    def hold_at(self, steps: int) -> None:
        """Holds at the step of this number, counted from now, as `hold` does."""
        self._until_hold = steps
        self._at_gate.clear()
        self._gate.set()

    @property
    def held(self) -> bool:
        """Whether a step waits."""
        return self._at_gate.is_set()

    async def reached(self) -> None:
        """Waits until a step waits."""
        while not self.held:
            await settle()

    def release(self) -> None:
        """Lets steps go on."""
        self._gate.set()

    def step(self, rows: Sequence[Row]) -> None:
        """One real step, watched."""
        self.threads.add(threading.get_ident())
        if self._gate.is_set() and self._until_hold:
            self._until_hold -= 1
            if not self._until_hold:
                self._gate.clear()
        if not self._until_hold:
            self._at_gate.set()
            self._gate.wait(30)
        if not self.busy.acquire(blocking=False):
            self.overlaps += 1
            self.busy.acquire()
        try:
            if any(row.request.prompt == "poison" for row in rows):
                raise ValueError("secret: /home/me/key")
            if len(rows) > self.memory_rows:
                self.refused += 1
                raise OutOfMemory("The device has too little free memory.")
            super().step(rows)
        finally:
            self.busy.release()
        self.batches.append([row.request.prompt for row in rows])
        for row in rows:
            self.steps.append(row.request.prompt)
            self.after_step(row)


@asynccontextmanager
async def observed_engine(
    components: Any, **options: Any
) -> AsyncIterator[tuple[LocalEngine, ObservedSampler]]:
    """A local engine around an observed sampler of the miniature.

    Args:
        options: of `LocalEngine`; by default nothing has to be measured.
    """
    options = {"latency_model": known_latencies(), **options}
    sampler = ObservedSampler(components)
    engine = LocalEngine(lambda report: sampler, about(MINIATURE), **options)
    try:
        while engine.status().state == "loading":
            await settle()
        sampler.steps.clear()
        yield engine, sampler
    finally:
        sampler.release()
        await engine.aclose()


def known_latencies() -> LatencyModel:
    """What calls of the miniature take on some machine: nothing is measured, batches are alike."""
    model = LatencyModel()
    for size in MINIATURE.sizes:
        for rows, seconds in ((1, 0.014), (2, 0.019), (4, 0.029), (8, 0.040)):
            model.calibrate("step", size, rows, seconds)
            model.calibrate("decoder", size, rows, 0.026 * rows)
            model.calibrate("preview", size, rows, 0.0035 * rows)
    return model


async def collect(engine: Engine, request: GenerationRequest, **options: Any) -> list[Frame]:
    """All frames of a request; options are those of `Work`."""
    async with aclosing(engine.generate(Work(request, **options))) as values:
        return [frame async for frame in only_frames(values)]


async def only_frames(values: AsyncIterator[Value]) -> AsyncIterator[Frame]:
    """What is to be seen of a stream."""
    async for value in values:
        if isinstance(value, Frame):
            yield value


# No drafts: whether a machine is slow enough for them must not decide a test.
SETTINGS = Settings(model="miniature", device="cpu", debounce_ms=0, latency_budget=0)


class Tab:
    """A session and everything it was shown."""

    def __init__(self, engine: Any, settings: Settings = SETTINGS) -> None:
        self.session = LiveSession(engine, settings)
        self.seen: list[LiveEvent] = []
        self._reader = asyncio.ensure_future(self._read())

    async def _read(self) -> None:
        async for event in self.session.events():
            self.seen.append(event)

    async def answer(self, sequence: int) -> LiveEvent:
        """Waits for the final frame or the error of a submission."""
        while True:
            for event in self.seen:
                if event.sequence == sequence and (event.error or event.frame.final):
                    return event
            await settle(0.002)

    async def close(self) -> None:
        await self.session.aclose()
        await self._reader
