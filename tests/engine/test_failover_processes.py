"""A real server as a process is stopped and killed while it paints: the picture comes anyway.

The engine in it paints plain colours at a pace that the test sets, so that no request is done
before its process is.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest

from lightning_demo.engine.attempt import Place
from lightning_demo.engine.base import Value, Work
from lightning_demo.engine.breaker import Breaker
from lightning_demo.engine.failover import FailoverEngine
from lightning_demo.engine.remote import RemoteEngine
from lightning_demo.schemas import Frame, GenerationRequest

from ..processes import ForkedPopen
from ..web.fake_server import fake_server, hold_at
from ..web.fakes import LIMITS, STATUS, FakeEngine
from .served import check_moved, ready, until

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")

STEP_SECONDS = 0.15


@pytest.fixture(scope="module")
def process() -> Iterator[tuple[ForkedPopen, str]]:
    """A server and its address; the last test kills it."""
    with fake_server(STEP_SECONDS) as started:
        yield started


@asynccontextmanager
async def opened(url: str) -> Any:
    """The process first, this one's engine behind it."""
    remote = RemoteEngine(url, STATUS, poll_seconds=0.1, silence_seconds=4.0)
    local = FakeEngine()
    breaker = Breaker(failures=1, pause=0.2, max_pause=0.2)
    engine = FailoverEngine([Place("There", remote, breaker=breaker), Place("Here", local)])
    try:
        await ready(remote)
        yield engine, remote, local
    finally:
        await engine.aclose()


def asked(prompt: str) -> GenerationRequest:
    fields = {"prompt": prompt, "seed": 7, "num_inference_steps": 8}
    return GenerationRequest.parse(fields, LIMITS)


async def read(
    engine: FailoverEngine, prompt: str, child: ForkedPopen | None = None, number: int = 0
) -> list[Value]:
    """All of a request; the process is sent a signal when its first frame has come."""
    seen: list[Value] = []
    async with aclosing(engine.generate(Work(asked(prompt)))) as values:
        async for value in values:
            seen.append(value)
            if isinstance(value, Frame) and child is not None:
                child.send_signal(number)
                child = None
    return seen


def test_stopped_continued_and_killed(run, process):
    child, url = process

    async def check() -> None:
        async with opened(url) as (engine, remote, local):
            there = await read(engine, "a boat")
            assert local.requests == [] and isinstance(there[-1], Frame)
            here = await read(FailoverEngine([Place("Here", local)]), "a boat")
            assert isinstance(here[-1], Frame)
            assert here[-1].data == there[-1].data, "whoever paints it"
            assert (here[-1].pixels == there[-1].pixels).all()

            hold_at(child, 2)  # it happens in the middle
            check_moved(await read(engine, "stopped", child, signal.SIGSTOP))
            await until(lambda: remote.status().state == "failed")
            assert engine.status().engines_ready == 1
            local.works.clear()
            await read(engine, "another")
            assert len(local.works) == 1, "nobody is sent to the one that is stopped"

            child.send_signal(signal.SIGCONT)
            hold_at(child, 0)
            await until(lambda: engine.status().engines_ready == 2)
            local.works.clear()
            assert isinstance((await read(engine, "again"))[-1], Frame)
            assert local.works == []

            hold_at(child, 2)
            check_moved(await read(engine, "killed", child, signal.SIGKILL))
            await until(lambda: remote.status().state == "failed")
            assert "does not answer" in remote.status().detail
            assert engine.status().state == "ready"

    run(check())
