"""Paints a plan: several pictures at a time, so that they share the model's calls.

What is wrong with one picture ends that one. When whoever paints is gone, the batch ends, to be
taken up later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..engine.base import Engine, Work, final_frame
from ..errors import DeviceLost, EngineUnavailable, LightningError, RateLimited
from ..images import JPEG_QUALITY, encode
from ..tasks import tasks
from .manifest import Outcome, replace_file
from .plan import Picture

WAITS = (1.0, 2.0, 4.0, 8.0, 16.0)  # seconds before each new try of whoever is full or starting


@dataclass(frozen=True, slots=True)
class Painted:
    """A picture as a file's bytes."""

    data: bytes
    model: str
    seconds: float  # that it took, not counting its place in line where that is known
    notes: tuple[str, ...] = ()


Paint = Callable[[Picture], Awaitable[Painted]]
Name = Callable[[Picture], str]
Tell = Callable[[Outcome], None]


def by_engine(engine: Engine, format: str) -> Paint:
    """Paints with an engine; what is painted takes turns as one client's.

    Args:
        format: of the files, as `images.encode` knows it.
    """

    async def paint(picture: Picture) -> Painted:
        work = Work(picture.request, client="batch", previews=False, origin="api")
        frame = await final_frame(engine, work)
        status = engine.status()
        data = await asyncio.to_thread(
            encode,
            frame.pixels,
            picture.request,
            status.model,
            format,
            JPEG_QUALITY,
            status.weights,
            picture.template,
        )
        return Painted(data, status.model, frame.seconds, frame.notes)

    return paint


async def paint_plan(
    pictures: Iterable[Picture],
    paint: Paint,
    folder: Path,
    name: Name,
    at_once: int,
    tell: Tell,
    waits: Sequence[float] = WAITS,
) -> None:
    """Paints pictures into a folder.

    Args:
        name: of a picture's file.
        at_once: how many are asked for beside each other.
        tell: is called with each as soon as its file is there, or it is known that none will be.
        waits: seconds before each new try where whoever paints is busy.

    Raises:
        EngineUnavailable, DeviceLost: nothing more can be painted.
        NotSaved: nothing more can be written.
    """
    waiting = iter(in_turns(pictures))

    async def work() -> None:
        for picture in waiting:
            try:
                painted = await _patiently(paint, picture, waits)
            except (EngineUnavailable, DeviceLost):
                raise
            except LightningError as error:
                tell(Outcome(picture, error=error.message))
                continue
            file = name(picture)
            await asyncio.to_thread(replace_file, folder / file, painted.data)
            tell(Outcome(picture, file, painted.seconds, painted.model, painted.notes))

    async with tasks(*(work() for _ in range(at_once))) as working:
        await asyncio.gather(*working)


def in_turns(pictures: Iterable[Picture]) -> list[Picture]:
    """Those that share calls one after the other: each step count has weights of its own."""

    def kind(picture: Picture) -> tuple[int, ...]:
        request = picture.request
        return request.num_inference_steps, request.width, request.height, request.guided

    return sorted(pictures, key=kind)


async def _patiently(paint: Paint, picture: Picture, waits: Sequence[float]) -> Painted:
    """The picture, also where whoever paints is busy for a while."""
    for wait in waits:
        try:
            return await paint(picture)
        except (EngineUnavailable, RateLimited) as error:
            await asyncio.sleep(max(wait, getattr(error, "seconds", 0.0)))
    return await paint(picture)
