"""The `serve` command: the live demo."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..errors import InvalidSetting
from ..ports import free_port
from ..settings import Settings
from ..surroundings import on_zerogpu
from ..tls import check_certificate
from .options import add_settings, settings_from

if TYPE_CHECKING:
    from ..engine.base import Engine
    from ..engine.metrics import Metrics
    from ..schemas import EngineStatus


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Serves the live demo. Each option can also be set as the variable named in brackets."
    )
    add_settings(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    settings = settings_from(args)
    from ..engine.build import build_engine, expected
    from ..engine.fallbacks import check_fallbacks
    from ..engine.local import DECODER_NAME, WORKER_NAME
    from ..engine.metrics import Metrics
    from ..web.server import serve
    from ..web.stage.audience.word_file import read_words

    # Before the model is loaded for nothing.
    free_port(settings.host, settings.port)
    check_certificate(settings)
    if settings.audience_words:
        list(read_words(settings.audience_words))
    if settings.fallback:
        check_fallbacks(settings, expected(settings))
    metrics = Metrics()
    engine = build_engine(
        settings,
        stand_in=True,
        fallback=True,
        metrics=metrics,
        elsewhere=_elsewhere(settings),
    )
    code = serve(engine, settings, metrics)
    works = (WORKER_NAME, DECODER_NAME)
    if any(thread.name.startswith(works) for thread in threading.enumerate()):
        # Still loading, or hung: Python cannot unwind a thread inside torch, and would abort.
        logging.shutdown()
        sys.stdout.flush()
        os._exit(code)
    return code


def _elsewhere(settings: Settings) -> Callable[[EngineStatus, Metrics], Engine] | None:
    """What makes the engine, where it is not in this process.

    Raises:
        InvalidSetting: there is none.
    """
    if settings.engine == "local":
        return None
    if on_zerogpu():
        raise InvalidSetting(
            f"engine: ZeroGPU lends a GPU by itself; leave --engine {settings.engine} out."
        )
    return _process(settings) if settings.engine == "process" else _replicas(settings)


def _process(settings: Settings) -> Callable[[EngineStatus, Metrics], Engine]:
    """What makes the engine in a process of its own."""
    from ..engine.process import ProcessEngine

    def make(known: EngineStatus, metrics: Metrics) -> Engine:
        return ProcessEngine(known, settings.decided(known.model).for_painting(), metrics)

    return make


def _replicas(settings: Settings) -> Callable[[EngineStatus, Metrics], Engine]:
    """What makes the engine of a Ray cluster, which is started or joined now.

    Raises:
        InvalidSetting: there is none.
    """
    from ..engine.ray.cluster import Cluster
    from ..engine.ray.engine import RayEngine
    from ..web.replica import Replica

    cluster = Cluster(settings, Replica)

    def make(known: EngineStatus, metrics: Metrics) -> Engine:
        return RayEngine(cluster, cluster.deploy(known), known, metrics)

    return make
