"""What is compiled while nobody waits, one task after another.

First the UNet block by block at the native size, which is ready soon. Then whole functions for each
size, the native one first, without and with guidance (which doubles the UNet's rows). Then more
rows of the native size, for several people's pictures in one call.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from ...schemas import ROW_BUCKETS
from .compiled_functions import CompiledFunctions, Kind
from .speed import Speed

# Pixels of all rows of a call together. Beyond, fewer rows fill a GPU and more gain nothing.
MAX_PIXELS = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class CompileTask:
    """One thing to compile: which functions, at which size."""

    size: tuple[int, int]  # (width, height), px
    guidance_scale: float
    kinds: tuple[Kind, ...]  # empty: UNets block by block
    rows: int = 1  # pictures in one call

    @property
    def decodes(self) -> bool:
        """Whether pictures are decoded: for nothing else, that needs most of the memory."""
        return "decoder" in self.kinds

    def on(self, functions: CompiledFunctions) -> AbstractContextManager[None]:
        """Compiles what is called inside."""
        return functions.compiling(*self.kinds) if self.kinds else functions.compiling_blocks()


def compile_plan(sizes: Sequence[tuple[int, int]], speed: Speed) -> tuple[CompileTask, ...]:
    """All tasks for a model of these sizes, the native one first; none when nothing is compiled."""
    if not (speed.compile or speed.cuda_graphs):
        return ()
    native, *others = sizes
    plan = [CompileTask(native, 0.0, ())] if speed.compile else []
    decoders: tuple[Kind, ...] = ("decoder", "preview")
    plan += [
        CompileTask(native, 0.0, ("unet", "text")),
        CompileTask(native, 0.0, decoders),
        CompileTask(native, 2.0, ("unet",)),
    ]
    for size in others:
        plan += [CompileTask(size, 0.0, ("unet", *decoders)), CompileTask(size, 2.0, ("unet",))]
    # Two rows are compiled already: a picture with guidance is two rows.
    plan += [
        CompileTask(native, 0.0, ("unet",), rows)
        for rows in ROW_BUCKETS[2:]
        if rows * native[0] * native[1] <= MAX_PIXELS
    ]
    return tuple(plan)


def describe(plan: Sequence[CompileTask], done: int, *, compiles: bool = True) -> str:
    """The progress, for people: "eager, compiling 0/5", "blocks compiled 1/5", "compiled".

    Args:
        compiles: whether there is a compiler; without one functions are recorded as they are.
    """
    if not plan:
        return ""
    doing, did = ("compiling", "compiled") if compiles else ("recording", "recorded")
    if done == len(plan):
        return did
    if done == 0:
        return f"eager, {doing} 0/{len(plan)}"
    blocks = compiles and not plan[done - 1].kinds
    return f"{'blocks compiled' if blocks else did} {done}/{len(plan)}"
