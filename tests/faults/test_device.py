"""Faults of the device inside real steps: memory that is full again and again, NaN, the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch

from lightning_demo.errors import DeviceLost, EngineUnavailable, GenerationFailed, OutOfMemory

from ..engine.observed import collect, observed_engine


@contextmanager
def broken(components: Any, spoil: Any) -> Iterator[None]:
    """What the UNet for 4 steps computes passes through `spoil`."""
    handle = components.unets.get(4).register_forward_hook(spoil)
    try:
        yield
    finally:
        handle.remove()


def raises(error: Exception) -> Any:
    def spoil(*args: Any) -> None:
        raise error

    return spoil


def test_out_of_memory_twice_in_a_row_ends_two_pictures_and_no_more(run, components, ask):
    full = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    async def check() -> None:
        async with observed_engine(components) as (engine, _):
            with broken(components, raises(full)):
                for n in range(2):
                    with pytest.raises(OutOfMemory, match="smaller size"):
                        await collect(engine, ask(f"number {n}"))
            assert engine.status().state == "ready"
            assert (await collect(engine, ask("there is room again")))[-1].final

    run(check())


def test_nan_from_the_unet_is_an_error_and_no_black_picture(run, components, ask):
    def spoil(module: Any, given: Any, computed: Any) -> Any:
        noise = computed[0] if isinstance(computed, tuple) else computed.sample
        noise.fill_(float("nan"))

    async def check() -> None:
        async with observed_engine(components) as (engine, _):
            with broken(components, spoil), pytest.raises(GenerationFailed, match="NaN"):
                await collect(engine, ask("spoiled"))
            assert (await collect(engine, ask("as ever")))[-1].final

    run(check())


def test_a_sticky_error_ends_the_engine_in_words(run, components, ask, monkeypatch):
    """As after an illegal address: the driver answers no call of this process any more."""
    monkeypatch.setattr("lightning_demo.model.device_errors.responds", lambda device: False)
    sticky = torch.AcceleratorError("CUDA error: an illegal memory access was encountered")

    async def check() -> None:
        async with observed_engine(components) as (engine, _):
            with broken(components, raises(sticky)):
                for _ in range(2):
                    with pytest.raises((DeviceLost, EngineUnavailable), match="stopped working"):
                        await collect(engine, ask())
            assert engine.status().state == "failed"

    run(check())
