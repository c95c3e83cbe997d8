"""A process that paints for tests: `python -m tests.engine.painting_process KIND`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from starlette.requests import HTTPConnection

from lightning_demo.engine.base import Engine
from lightning_demo.engine.metrics import Metrics
from lightning_demo.errors import EngineUnavailable
from lightning_demo.schemas import GenerationRequest
from lightning_demo.settings import Settings
from lightning_demo.web.callers import Caller
from lightning_demo.web.engine_process import main
from lightning_demo.web.engine_server import WEB

from ..web.fakes import FakeEngine
from .replicas import Colours, Observed

LOST = "The device has stopped working (CUDA error: an illegal memory access was encountered)."


class ObservedForAll(Observed):
    """Of many engines one after another, each with a key of its own."""

    def _caller(self, connection: HTTPConnection) -> Caller:
        return WEB


class Failing(Colours):
    """Its model cannot be loaded."""

    def _engine(self, settings: Settings, metrics: Metrics) -> tuple[Engine, Engine]:
        engine, local = super()._engine(settings, metrics)
        engine.say(state="failed", detail="There are no weights.")  # type: ignore[attr-defined]
        return engine, local


class Telling(Colours):
    """Writes which of the demo's variables it has been given."""

    def _engine(self, settings: Settings, metrics: Metrics) -> tuple[Engine, Engine]:
        names = sorted(name for name in os.environ if name.startswith("LIGHTNING_"))
        with open(os.environ["TOLD"], "w", encoding="utf-8") as file:
            file.write(" ".join(names))
        return super()._engine(settings, metrics)


class Losing(Colours):
    """Its device is lost by the first picture of all, whichever process paints it."""

    def _engine(self, settings: Settings, metrics: Metrics) -> tuple[Engine, Engine]:
        engine, local = super()._engine(settings, metrics)
        assert isinstance(engine, FakeEngine)
        lost = Path(os.environ["LOST"])

        def lose(request: GenerationRequest) -> Exception | None:
            if lost.exists():
                return None
            lost.touch()
            engine.say(state="failed", detail=LOST)
            return EngineUnavailable(LOST)  # as `LocalEngine` answers all that wait

        engine.fault = lose
        return engine, local


if __name__ == "__main__":
    kinds = {
        "observed": ObservedForAll,
        "colours": Colours,
        "failing": Failing,
        "telling": Telling,
        "losing": Losing,
    }
    main(kinds[sys.argv[1]])
