"""An engine for tests of the web that must know a colour: every prompt has its own."""

from __future__ import annotations

import asyncio
import threading
import time
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np

from lightning_demo.bench.simulation.engine import LoopEngine
from lightning_demo.engine.base import STOPPED, Engine, Forecast, Stream, Work
from lightning_demo.engine.events import Called, Painted
from lightning_demo.engine.latency_model import Kind, LatencyModel
from lightning_demo.engine.runner import Pixels
from lightning_demo.engine.standby import StandbyEngine
from lightning_demo.errors import EngineUnavailable
from lightning_demo.images import encode_jpeg
from lightning_demo.model.weights.checkpoints import MINIATURE, SDXL_LIGHTNING
from lightning_demo.schemas import (
    ROW_BUCKETS,
    EngineStatus,
    Frame,
    GenerationRequest,
    Limits,
    Style,
)

STAGES = ("queue", "embed", "steps", "decode", "encode", "total")
LIMITS = Limits(
    num_inference_steps=(2, 4, 8),
    default_steps=4,
    sizes=((256, 256), (384, 256), (256, 384)),
    min_side=128,
    max_side=512,
    styles=(Style("Night", "{prompt} at night", "by day"), Style("Flat", "flat")),
)
STATUS = EngineStatus("ready", "miniature", "Miniature", LIMITS, device="cpu")


WITH_DRAFTS = replace(STATUS, limits=replace(LIMITS, sizes=(*LIMITS.sizes, (128, 128))))


def slow(request: GenerationRequest, draft: bool) -> Forecast:
    """An engine that would take a tenth of a second a step, but for two steps alone much less."""
    if draft and request.num_inference_steps == 2:
        return Forecast(0, 0.0, 0.1)
    return Forecast(0, 0.0, 0.1 * (request.num_inference_steps + (0 if draft else 1)))


def color_of(prompt: str) -> tuple[int, int, int]:
    """The colour of a prompt's picture, far enough from others' to survive JPEG."""
    number = zlib.crc32(prompt.encode())
    return (number & 0xE0, (number >> 3) & 0xE0, (number >> 8) & 0xE0)


@dataclass
class FakeRow:
    """A request that has started."""

    request: GenerationRequest
    step: int = 0
    chunks: int = 1


class ColourRunner:
    """Paints plain colours; the test says how long a step takes and what fails."""

    def __init__(self, engine: FakeEngine) -> None:
        self._engine = engine

    def begin(
        self, requests: Sequence[GenerationRequest], *, asked: bool = True
    ) -> tuple[list[Any], int, float]:
        rows = [self._engine.fault(request) or FakeRow(request) for request in requests]
        return rows, len(rows), 0.0

    def step(self, rows: Sequence[FakeRow]) -> float:
        if any(row.request.prompt == "poison" for row in rows):
            raise ValueError("secret: /home/me/key")
        self._engine.calls.append([row.request.prompt for row in rows])
        for row in rows:
            row.step += 1
            self._engine.steps.append(row.request.prompt)
        return self._engine.step_seconds

    def decode(self, kind: Kind, rows: Sequence[FakeRow]) -> tuple[list[Pixels], float]:
        return [self._engine.paint(row.request) for row in rows], 0.0

    def decode_beside(self, rows: Sequence[FakeRow]) -> None:
        return None

    def interrupt(self, kind: str) -> None:
        pass

    def notes(self, row: FakeRow) -> tuple[str, ...]:
        return self._engine.notes

    def is_resident(self, num_inference_steps: int) -> bool:
        return True

    def seconds_to_load(self, num_inference_steps: int) -> float:
        return 0.0


class FakeEngine(LoopEngine):
    """The real core before a device of plain colours; counts what it is asked.

    Obeys the contract of engines (tests/engine/test_fakes.py).
    """

    def __init__(self, step_seconds: float = 0.005, status: EngineStatus = STATUS) -> None:
        super().__init__(ColourRunner(self), quick(status.limits), status)
        self.step_seconds = step_seconds
        self.fault: Callable[[GenerationRequest], Exception | None] = lambda request: None
        self.works: list[Work] = []
        self.steps: list[str] = []  # prompt of every step taken
        self.calls: list[list[str]] = []  # prompts of every UNet call
        self.running = 0
        self.notes: tuple[str, ...] = ()
        self.timings: dict[str, float] = dict.fromkeys(STAGES, 0.0)
        self.color_of = color_of
        self.forecast_of: Callable[[GenerationRequest, bool], Forecast | None] = (
            lambda request, draft: None
        )
        self.padding = 0  # bytes more in each frame
        self.asked_for_forecasts = 0
        self.line: Forecast | None = None  # while there is one, every request waits in line
        self._gate: threading.Event | None = None  # before which steps wait
        self.held = False  # whether a step waits
        self._until_hold = 0

    @property
    def requests(self) -> list[GenerationRequest]:
        """What was asked for, in order; guesses are in `works` only."""
        return [work.request for work in self.works if not work.ahead]

    @property
    def closed(self) -> bool:
        return self._status.state == "closed"

    def status(self) -> EngineStatus:
        return replace(self._status, waiting=self._status.waiting or self._core.waiting)

    def say(self, **changes: object) -> None:
        """Changes the status."""
        self._status = replace(self._status, **changes)  # type: ignore[arg-type]

    def hold(self) -> None:
        """Lets the next step wait until `release`."""
        self._gate, self.held = self._gate or threading.Event(), False

    def hold_at(self, steps: int) -> None:
        """Holds at the step of this number, counted from now; one that is held goes on."""
        self.release()
        self._until_hold, self.held = steps, False

    def release(self) -> None:
        """Lets steps go on, even if the next are held again before they notice."""
        if self._gate is not None:
            self._gate.set()
            self._gate = None

    async def reached(self) -> None:
        """Waits until a step waits."""
        while not self.held:  # noqa: ASYNC110
            await asyncio.sleep(0.001)

    async def generate(self, work: Work) -> Stream:
        self.works.append(work)
        self.running += 1
        try:
            async with aclosing(super().generate(work)) as values:
                async for value in values:
                    yield value
        finally:
            self.running -= 1

    def forecast(self, work: Work) -> Forecast | None:
        self.asked_for_forecasts += 1
        return self.line or self.forecast_of(work.request, work.draft)

    def paint(self, request: GenerationRequest) -> Pixels:
        color = self.color_of(request.prompt)
        return np.full((request.height, request.width, 3), color, np.uint8)

    async def _serve(self) -> None:
        while self._status.state == "loading" or self.line:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        if self._status.state == "failed":
            for reader in self._readers.values():
                reader.end(EngineUnavailable(self._status.detail or STOPPED))
        await super()._serve()

    async def _spend(self, call: Called) -> None:
        begun = time.monotonic()
        if call.kind == "step" and self._until_hold:
            self._until_hold -= 1
            if not self._until_hold:
                self.hold()
        gate = self._gate if call.kind == "step" else None
        while gate is not None and not gate.is_set():
            self.held = True
            await asyncio.sleep(0.001)
        # What nobody wants any more takes no time.
        while (  # noqa: ASYNC110
            call.seconds > time.monotonic() - begun and not all(r.dropped for r in call.batch)
        ):
            await asyncio.sleep(min(self.step_seconds, 0.01))

    def _frame(self, painted: Painted) -> Frame:
        data = encode_jpeg(painted.pixels) + bytes(self.padding)
        about = (painted.pixels, self.timings, painted.notes)
        return Frame(
            painted.request.work.request, data, "image/jpeg", painted.step, painted.final, *about
        )


class Stage:
    """An engine that is another, and a test may say which: its server and its page can stay."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._loop: asyncio.AbstractEventLoop | None = None  # of whoever has asked for a picture

    def status(self) -> EngineStatus:
        return self.engine.status()

    def forecast(self, work: Work) -> Forecast | None:
        return self.engine.forecast(work)

    def amend(self, work: Work, amended: Work) -> None:
        self.engine.amend(work, amended)

    def generate(self, work: Work) -> Stream:
        self._loop = asyncio.get_running_loop()
        return self.engine.generate(work)

    async def aclose(self) -> None:
        await self.engine.aclose()

    def exchange(self, engine: Engine) -> None:
        """Closes the engine and puts another in its place; called from another thread."""
        before, self.engine = self.engine, engine
        if self._loop is None:
            # This thread may have a loop of its own: Playwright's.
            with ThreadPoolExecutor(1) as pool:
                pool.submit(asyncio.run, before.aclose()).result()
        else:
            asyncio.run_coroutine_threadsafe(before.aclose(), self._loop).result()


def quick(limits: Limits) -> LatencyModel:
    """As if sharing were always worthwhile."""
    model = LatencyModel()
    for size in limits.sizes:
        for kind in get_args(Kind):
            for rows in ROW_BUCKETS:
                model.calibrate(kind, size, rows, 0.001)
    return model


class FakePair:
    """A standby from the miniature to SDXL-Lightning; the test says when, and whether."""

    MISSING = "The weights could not be downloaded."

    def __init__(self) -> None:
        self.small = FakeEngine(status=replace(STATUS, limits=MINIATURE.limits))
        self.wanted = FakeEngine(
            status=EngineStatus(
                "loading",
                SDXL_LIGHTNING.name,
                SDXL_LIGHTNING.title,
                SDXL_LIGHTNING.limits,
                detail="Downloading, 1.2 of 5.1 GB",
                progress=0.24,
            )
        )
        self.wanted.color_of = wanted_color
        self.engine = StandbyEngine(self.wanted, lambda: self.small)

    def arrive(self) -> None:
        self.wanted.say(state="ready", detail="", progress=None, device="NVIDIA H200")

    def fail(self) -> None:
        self.wanted.say(state="failed", detail=self.MISSING, progress=None)


def wanted_color(prompt: str) -> tuple[int, int, int]:
    """The colour in which the wanted model of a pair paints a prompt."""
    return color_of(f"{prompt}, in large")
