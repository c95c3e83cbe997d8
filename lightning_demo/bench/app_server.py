"""The demo as a program whose engines are elsewhere: in other processes of this machine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil

from ..errors import EngineUnavailable
from .servers import Server

APP = Path(__file__).resolve().parents[2] / "app.py"
START_WITHIN = 240.0  # seconds
LOOK_SECONDS = 0.25
TITLE = "ray::ServeReplica"  # of replicas' processes
READY = 'lightning_engines{state="ready"} '


def app_command(threads: int, engine: str = "ray", replicas: int = 1) -> list[str]:
    """How Python is asked for it, with the miniature.

    Eager, so that nothing gets faster meanwhile, without pictures ahead of anybody, and without a
    memory for finished ones: each one asked for is painted.

    Args:
        threads: CPU threads of each engine.
        engine: where it is (`--engine`).
        replicas: of it, in a Ray cluster.
    """
    command = [str(APP), "--port", "0", "--model", "miniature", "--device", "cpu"]
    command += ["--threads", str(threads), "--no-compile", "--no-ahead", "--memory-mb", "0"]
    command += ["--max-sessions", "1000", "--engine", engine]
    return command if engine != "ray" else [*command, "--replicas", str(replicas)]


async def all_ready(server: Server, wanted: int) -> None:
    """Waits until so many engines are ready.

    Raises:
        EngineUnavailable: they are not for a long time.
    """
    if not await until_ready(server, lambda ready: ready >= wanted, START_WITHIN):
        raise EngineUnavailable(f"{wanted} engines were not there within {START_WITHIN:g} seconds.")


async def until_ready(server: Server, enough: Callable[[int], bool], seconds: float) -> bool:
    """Waits until as many engines are ready as somebody wants; whether that came in time."""
    end = time.monotonic() + seconds
    async with httpx.AsyncClient(trust_env=False) as http:
        while time.monotonic() < end:
            text = (await http.get(server.url + "metrics", timeout=30)).text
            found = [line for line in text.splitlines() if line.startswith(READY)]
            if found and enough(int(float(found[0].removeprefix(READY)))):
                return True
            await asyncio.sleep(LOOK_SECONDS)
    return False


def replicas(server: Server) -> list[psutil.Process]:
    """The processes of a Ray cluster of its own that paint for it, oldest first."""
    found = []
    for process in psutil.Process(server.pid).children(recursive=True):
        try:
            if " ".join(process.cmdline()).startswith(TITLE):
                found.append(process)
        except psutil.Error:
            continue  # it has just ended
    return sorted(found, key=lambda process: process.pid)
