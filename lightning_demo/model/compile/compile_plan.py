"""What a model learns while nobody waits, one lesson after another, so that it gets faster.

First block by block at the usual size, which is ready soon; then whole graphs for each size, the
usual one first, each without and with guidance (which doubles the UNet's rows); then more rows of
the usual size, for several people's pictures in one call.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from ..weights.model_spec import ModelSpec
from .compiled_functions import Kind, Tiers
from .speed import Speed

# Of all rows of a call together: beyond, a GPU is busy with fewer and rows gain nothing.
MAX_PIXELS = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Lesson:
    """One thing to learn: of which functions, at which size."""

    size: tuple[int, int]  # (width, height), px
    guidance_scale: float
    kinds: tuple[Kind, ...]  # empty: UNets block by block
    rows: int = 1  # pictures in one call

    @contextmanager
    def on(self, tiers: Tiers) -> Iterator[None]:
        """Inside, what is called is learned."""
        with tiers.learning(*self.kinds) if self.kinds else tiers.learning_blocks():
            yield


def lessons(spec: ModelSpec, speed: Speed) -> tuple[Lesson, ...]:
    """All lessons of a spec; none when nothing is compiled or recorded."""
    if not speed.improves:
        return ()
    native, *others = spec.limits.sizes
    plan = [Lesson(native, 0.0, ())] if speed.compile else []
    decoders: tuple[Kind, ...] = ("decoder", "preview")
    plan += [
        Lesson(native, 0.0, ("unet", "text")),
        Lesson(native, 0.0, decoders),
        Lesson(native, 2.0, ("unet",)),
    ]
    for size in others:
        plan += [Lesson(size, 0.0, ("unet", *decoders)), Lesson(size, 2.0, ("unet",))]
    # Two rows are learned already: with guidance one picture is two.
    plan += [
        Lesson(native, 0.0, ("unet",), rows)
        for rows in (4, 8)
        if rows * native[0] * native[1] <= MAX_PIXELS
    ]
    return tuple(plan)


def describe(plan: Sequence[Lesson], learned: int) -> str:
    """How far it is, for people: "eager", "blocks compiled 1/5", "compiled 3/5", "compiled"."""
    if not plan:
        return ""
    if learned == len(plan):
        return "compiled"
    if learned == 0:
        return f"eager, compiling 0/{len(plan)}"
    blocks = not plan[learned - 1].kinds
    return f"{'blocks compiled' if blocks else 'compiled'} {learned}/{len(plan)}"
