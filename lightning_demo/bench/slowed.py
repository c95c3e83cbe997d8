"""A server whose model takes so many times as long: each call of it is made that many times.

`python -m lightning_demo.bench.slowed TIMES MODULE …` runs a module as `python -m MODULE …` would.
So a machine stands for slower ones, and what is around the model is as quick as before.
"""

from __future__ import annotations

import functools
import runpy
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from diffusers import AutoencoderTiny, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from ..model.compile.compiled_functions import CompiledFunctions

T = TypeVar("T")

# What our own server calls, in whatever form; and what diffusers' pipeline calls.
OURS = ((CompiledFunctions, "call"),)
PIPELINE = (
    (UNet2DConditionModel, "forward"),
    (AutoencoderTiny, "decode"),
    (CLIPTextModel, "forward"),
    (CLIPTextModelWithProjection, "forward"),
)


def repeated(call: Callable[..., T], times: int) -> Callable[..., T]:
    """A call without side effects, made `times` times; the last result counts."""

    @functools.wraps(call)
    def calls(*args: object, **options: object) -> T:
        for _ in range(times - 1):
            call(*args, **options)
        return call(*args, **options)

    return calls


@contextmanager
def slowed(times: int, *, pipeline: bool = False) -> Iterator[None]:
    """Inside, the model of this process takes `times` times as long.

    Args:
        pipeline: whether it is diffusers' pipeline that calls it.
    """
    methods = PIPELINE if pipeline else OURS
    before = [getattr(owner, name) for owner, name in methods]
    try:
        for (owner, name), call in zip(methods, before, strict=True):
            setattr(owner, name, repeated(call, times))
        yield
    finally:
        for (owner, name), call in zip(methods, before, strict=True):
            setattr(owner, name, call)


if __name__ == "__main__":
    asked, module = int(sys.argv[1]), sys.argv[2]
    sys.argv = sys.argv[2:]
    with slowed(asked, pipeline=".peers." in module):
        runpy.run_module(module, run_name="__main__", alter_sys=True)
