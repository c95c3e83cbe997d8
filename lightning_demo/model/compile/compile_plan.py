"""What makes calls of the model faster, in which order, and what it costs.

| form | a call is | made | takes |
| --- | --- | --- | --- |
| eager | thousands of kernels, launched one by one from Python | | nothing |
| recorded | the same kernels as one CUDA graph | native size: before the first request; else in quiet moments | a third of a second |
| compiled | fewer, fused kernels, recorded too | once a process of its own has compiled them: the usual calls at the start, else in quiet moments | hundredths of a second to load; minutes there |
| OpenVINO, alone | the same on a CPU for one picture at the native size; several are computed one after another, which takes no longer there | the same | a third of a second for a UNet, and the first time as long again to measure it; half a minute there |
| OpenVINO, any shape | other sizes, guidance and long prompts; one picture's step takes a third longer than the above | in quiet moments, once such a call has been made: it is a second copy of the weights | as much again |

Calls at a size that nobody has asked for yet stay eager. A GPU goes through the first three forms, a CPU from the first to the last two.
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ...schemas import ROW_BUCKETS
from .compiled_functions import Kind
from .speed import Speed

Form = Literal["recorded", "compiled"]
Size = tuple[int, int]  # (width, height), px

# Pixels of all rows of a call together. Beyond, fewer rows fill a GPU and more gain nothing.
MAX_PIXELS = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class CompileTask:
    """Some functions at one size that get a faster form."""

    form: Form
    size: Size
    guidance_scale: float
    kinds: tuple[Kind, ...]
    rows: int = 1  # pictures in one call
    serves_all: bool = False  # calls of any shapes
    alone: bool = False  # one picture's calls at this size

    @property
    def early(self) -> bool:
        """Whether it is worth waiting for at the start: what nearly every picture needs."""
        usual = self.guidance_scale <= 1 and self.rows == 1
        return self.form == "recorded" or usual

    @property
    def important(self) -> bool:
        """Whether somebody alone notices where it fails."""
        if self.alone:
            return "unet" in self.kinds
        return self.rows == 1

    @property
    def holds_weights(self) -> bool:
        """Whether what is made has the weights in it, and so much memory of its own."""
        return self.serves_all or self.alone

    @property
    def as_served(self) -> CompileTask:
        """The same where programs are only used: their usual call, by which they are measured."""
        return replace(self, rows=1, guidance_scale=0.0) if self.serves_all else self

    @property
    def decodes(self) -> bool:
        """Whether pictures are decoded: for nothing else, that needs most of the memory."""
        return "preview" in self.kinds or "decoder" in self.kinds


def compile_plan(
    sizes: Sequence[Size], speed: Speed, *, several: bool = True, tiled: bool = False
) -> tuple[CompileTask, ...]:
    """All tasks for a model of these sizes, the native one first; none when nothing is faster.

    Args:
        several: whether the memory has room for recordings of several people's pictures.
        tiled: whether the full decoder works in tiles: a program of a thousand small copies.
    """
    plan: list[CompileTask] = []
    rows = ROW_BUCKETS[1:] if several else ()
    if speed.cuda_graphs:
        plan += _tasks("recorded", sizes, ("unet", "text"), ("decoder", "preview"), rows)
    if speed.compile and speed.compile_backend == "openvino":
        plan += _alone(sizes[0]) + _of_any_shape(sizes[0])
    elif speed.compile:  # text encoders are small: for them, recording is enough
        decoders: tuple[Kind, ...] = ("preview",) if tiled else ("decoder", "preview")
        plan += _tasks("compiled", sizes, ("unet",), decoders, rows)
    return tuple(plan)


def _tasks(
    form: Form,
    sizes: Sequence[Size],
    first: tuple[Kind, ...],
    decoders: tuple[Kind, ...],
    several: Sequence[int],
) -> list[CompileTask]:
    native, *others = sizes
    tasks = [
        CompileTask(form, native, 0.0, first),
        CompileTask(form, native, 0.0, decoders),
        CompileTask(form, native, 2.0, ("unet",)),
    ]
    tasks += [
        CompileTask(form, native, 0.0, ("unet",), rows)
        for rows in several
        if rows * native[0] * native[1] <= MAX_PIXELS
    ]
    for size in others:
        tasks += [
            CompileTask(form, size, 0.0, ("unet", *decoders)),
            CompileTask(form, size, 2.0, ("unet",)),
        ]
    return tasks


_EACH: tuple[tuple[Kind, ...], ...] = (("unet",), ("decoder",), ("preview",), ("text",))


def _of_any_shape(native: Size) -> list[CompileTask]:
    """Examples with two of everything: what differs between calls must not look like a constant."""
    return [CompileTask("compiled", native, 2.0, kinds, rows=2, serves_all=True) for kinds in _EACH]


def _alone(native: Size) -> list[CompileTask]:
    return [CompileTask("compiled", native, 0.0, kinds, alone=True) for kinds in _EACH]
