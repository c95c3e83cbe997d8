"""An engine without a model, for tests of the web: every prompt has its own plain colour."""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace

import numpy as np

from lightning_demo.engine.base import Forecast, Place
from lightning_demo.engine.handover import Handover
from lightning_demo.errors import EngineUnavailable, LightningError
from lightning_demo.images import encode_jpeg
from lightning_demo.model.weights.checkpoints import MINIATURE, SDXL_LIGHTNING
from lightning_demo.schemas import EngineStatus, Frame, GenerationRequest, Limits

LIMITS = Limits(
    num_inference_steps=(2, 4, 8),
    default_steps=4,
    sizes=((128, 128), (192, 128), (128, 192)),
    min_side=64,
    max_side=256,
)
STATUS = EngineStatus("ready", "miniature", "Miniature", LIMITS, device="cpu")


def slow(request: GenerationRequest, draft: bool) -> Forecast:
    """An engine that would take a tenth of a second a step, and as long for a full decode."""
    return Forecast(0, 0.0, 0.1 * (request.num_inference_steps + (0 if draft else 1)))


def color_of(prompt: str) -> tuple[int, int, int]:
    """The colour of a prompt's picture, far enough from others' to survive JPEG."""
    number = zlib.crc32(prompt.encode())
    return (number & 0xE0, (number >> 3) & 0xE0, (number >> 8) & 0xE0)


class FakeEngine:
    """Answers at once or step by step; counts what it is asked."""

    def __init__(self, step_seconds: float = 0.005, status: EngineStatus = STATUS) -> None:
        self.step_seconds = step_seconds
        self.told = status
        self.fault: Callable[[GenerationRequest], LightningError | None] = lambda request: None
        self.requests: list[GenerationRequest] = []
        self.running = 0
        self.closed = False
        self.notes: tuple[str, ...] = ()
        self.timings: dict[str, float] = {}
        self.color_of = color_of
        self.forecast_of: Callable[[GenerationRequest, bool], Forecast | None] = (
            lambda request, draft: None
        )
        self.padding = 0  # bytes more in each frame
        self.places: list[Place] = []
        self.asked_for_forecasts = 0
        self.line: Forecast | None = None  # while there is one, every request waits in line

    def status(self) -> EngineStatus:
        return self.told

    def say(self, **changes: object) -> None:
        """Changes the status."""
        self.told = replace(self.told, **changes)  # type: ignore[arg-type]

    async def generate(
        self, request: GenerationRequest, *, place: Place | None = None, draft: bool = False
    ) -> AsyncGenerator[Frame, None]:
        self.requests.append(request)
        self.running += 1
        try:
            place = place or Place()
            self.places.append(place)
            place.since = place.since or time.monotonic()
            while self.told.state == "loading" or self.line:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            place.since = None
            if self.told.state != "ready":
                raise EngineUnavailable(self.told.detail or "The engine has stopped.")
            fault = self.fault(request)
            if fault is not None:
                raise fault
            color = self.color_of(request.prompt)
            pixels = np.full((request.height, request.width, 3), color, np.uint8)
            data = encode_jpeg(pixels) + bytes(self.padding)
            for step in range(1, request.num_inference_steps + 1):
                await asyncio.sleep(self.step_seconds)
                final = step == request.num_inference_steps
                about = (self.timings, self.notes)
                yield Frame(request, data, "image/jpeg", step, final, pixels, *about)
        finally:
            self.running -= 1

    def forecast(
        self, request: GenerationRequest, *, place: Place | None = None, draft: bool = False
    ) -> Forecast | None:
        self.asked_for_forecasts += 1
        return self.line or self.forecast_of(request, draft)

    async def aclose(self) -> None:
        self.closed = True


class FakePair:
    """A handover from the miniature to SDXL-Lightning; the test says when, and whether."""

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
        self.engine = Handover(self.wanted, lambda: self.small)

    def arrive(self) -> None:
        self.wanted.say(state="ready", detail="", progress=None, device="NVIDIA H200")

    def fail(self) -> None:
        self.wanted.say(state="failed", detail=self.MISSING, progress=None)


def wanted_color(prompt: str) -> tuple[int, int, int]:
    """The colour in which the wanted model of a pair paints a prompt."""
    return color_of(f"{prompt}, in large")
