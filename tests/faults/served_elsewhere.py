"""The demo at a terminal, with its engine elsewhere: `python -m tests.faults.served_elsewhere`.

What paints there needs no model; all else is what people start. Takes the name of the terminal and
the engine, "process" or "ray".
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import tempfile
import termios
from collections.abc import Callable
from typing import Any

from lightning_demo.cli import main
from lightning_demo.commands import serve
from lightning_demo.engine.base import Engine
from lightning_demo.engine.metrics import Metrics
from lightning_demo.schemas import EngineStatus
from lightning_demo.settings import Settings

from ..web.conftest import one_application
from ..web.fakes import STATUS

COLOURS = [sys.executable, "-m", "tests.engine.painting_process", "colours"]


def elsewhere(settings: Settings) -> Callable[[EngineStatus, Metrics], Engine]:
    """What makes an engine of plain colours."""
    if settings.engine == "process":
        from lightning_demo.engine.process import ProcessEngine

        return lambda known, metrics: ProcessEngine(STATUS, {}, metrics, command=COLOURS)
    from lightning_demo.engine.ray.cluster import Cluster
    from lightning_demo.engine.ray.engine import RayEngine

    from ..engine.replicas import ColourReplica

    cluster = Cluster(settings, ColourReplica)
    return lambda known, metrics: RayEngine(cluster, cluster.deploy(STATUS), STATUS, metrics)


def take(terminal: str) -> None:
    """Makes a terminal this process's own, as a shell has it before it starts a program."""
    os.setsid()
    opened = os.open(terminal, os.O_RDWR)
    fcntl.ioctl(opened, termios.TIOCSCTTY, 0)
    for number in (0, 1, 2):
        os.dup2(opened, number)
    os.close(opened)
    for number in (signal.SIGINT, signal.SIGHUP):  # which whoever runs the tests may ignore
        signal.signal(number, signal.SIG_DFL)


if __name__ == "__main__":
    _, terminal, engine = sys.argv
    take(terminal)
    tempfile.tempdir = None  # known already in what this is a fork of
    patched: Any = serve
    patched._elsewhere = elsewhere
    options = ["--engine", engine, "--model", "miniature", "--device", "cpu", "--port", "0"]
    with one_application():
        sys.exit(main(["serve", *options]))
