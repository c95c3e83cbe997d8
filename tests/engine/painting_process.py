"""A process that paints for tests: `python -m tests.engine.painting_process KIND`."""

from __future__ import annotations

import os
import sys

from starlette.requests import HTTPConnection

from lightning_demo.engine.base import Engine
from lightning_demo.engine.metrics import Metrics
from lightning_demo.settings import Settings
from lightning_demo.web.callers import Caller
from lightning_demo.web.engine_process import main
from lightning_demo.web.engine_server import WEB

from .replicas import Colours, Observed


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


if __name__ == "__main__":
    kinds = {"observed": ObservedForAll, "colours": Colours, "failing": Failing, "telling": Telling}
    main(kinds[sys.argv[1]])
