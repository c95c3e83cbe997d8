"""An engine without a model, for tests of the web: every prompt has its own plain colour."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace

import numpy as np

from lightning_demo.engine.base import Place
from lightning_demo.errors import EngineUnavailable, LightningError
from lightning_demo.images import encode_jpeg
from lightning_demo.schemas import EngineStatus, Frame, GenerationRequest, Limits

LIMITS = Limits(
    num_inference_steps=(2, 4, 8),
    default_steps=4,
    sizes=((128, 128), (192, 128), (128, 192)),
    min_side=64,
    max_side=256,
)
STATUS = EngineStatus("ready", "miniature", "Miniature", LIMITS, device="cpu")


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

    def status(self) -> EngineStatus:
        return self.told

    def say(self, **changes: object) -> None:
        """Changes the status."""
        self.told = replace(self.told, **changes)  # type: ignore[arg-type]

    async def generate(
        self, request: GenerationRequest, *, place: Place | None = None
    ) -> AsyncGenerator[Frame, None]:
        self.requests.append(request)
        self.running += 1
        try:
            while self.told.state == "loading":  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            if self.told.state != "ready":
                raise EngineUnavailable(self.told.detail or "The engine has stopped.")
            fault = self.fault(request)
            if fault is not None:
                raise fault
            pixels = np.full((request.height, request.width, 3), color_of(request.prompt), np.uint8)
            data = encode_jpeg(pixels)
            for step in range(1, request.num_inference_steps + 1):
                await asyncio.sleep(self.step_seconds)
                final = step == request.num_inference_steps
                yield Frame(request, data, "image/jpeg", step, final, pixels, {}, self.notes)
        finally:
            self.running -= 1

    async def aclose(self) -> None:
        self.closed = True
