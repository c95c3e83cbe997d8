"""The contract of engines that are in other processes, and that what comes is as from here."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lightning_demo.errors import LightningError

from .contract import EngineContract
from .observed import collect, observed_engine


class ElsewhereContract(EngineContract):
    """See `EngineContract`."""

    def test_an_exception_fails_one_request_and_tells_no_secret(
        self, run, open_engine: Any, ask, caplog: pytest.LogCaptureFixture
    ):
        """What it was stands in the other process's log."""

        async def check() -> None:
            async with open_engine() as (engine, _):
                with pytest.raises(LightningError, match="incident") as caught:
                    await collect(engine, ask("poison"))
                assert "secret" not in str(caught.value)
                assert (await collect(engine, ask("a house")))[-1].final

        run(check())

    def test_the_same_bits_as_here(self, run, open_engine: Any, components: Any, ask):
        async def check() -> None:
            request = ask("a cat in the snow", style="Watercolour")
            async with open_engine() as (engine, _):
                there = (await collect(engine, request))[-1]
            async with observed_engine(components) as (local, _):
                here = (await collect(local, request))[-1]
            assert here.data == there.data and np.array_equal(here.pixels, there.pixels)
            assert here.notes == there.notes

        run(check())
