"""The engine in a process of its own: the contract, and what happens when that process dies."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from lightning_demo.engine import process
from lightning_demo.engine.base import Engine, Forecast, Value, Work
from lightning_demo.engine.build import about
from lightning_demo.engine.metrics import Metrics
from lightning_demo.engine.process import ProcessEngine
from lightning_demo.errors import EngineUnavailable
from lightning_demo.model.weights.checkpoints import MINIATURE
from lightning_demo.schemas import Frame, GenerationRequest
from lightning_demo.settings import Settings

from ..processes import ForkedPopen
from ..web.fakes import LIMITS, STATUS
from .contract_elsewhere import ElsewhereContract
from .moments import settle
from .replicas import Colours, FarSampler
from .served import check_moved, ready, until

PATIENCE = 120.0  # seconds; only a failure, or a crowded machine, takes so long
ROOT = Path(__file__).resolve().parents[2]
# Attaches to a process that is there: to start one for each test of the contract takes too long.
ATTACH = "import sys; sys.stdin.readline(); print(sys.argv[1], flush=True); sys.stdin.read()"


def painting(kind: str) -> list[str]:
    """How a process of `painting_process` is started."""
    return [sys.executable, "-m", "tests.engine.painting_process", kind]


@pytest.fixture(scope="module")
def sampler() -> Iterator[FarSampler]:
    """The process of the contract, by its sampler."""
    pipe = subprocess.PIPE
    with ForkedPopen(painting("observed"), stdin=pipe, stdout=pipe) as child:
        assert child.stdin and child.stdout
        child.stdin.write("any\n")
        child.stdin.flush()
        found = FarSampler(child.stdout.readline().strip(), "any")
        yield found
        found.close()
        child.stdin.close()
        assert child.wait(PATIENCE) == 0, "it ends with its standard input"


class TestContract(ElsewhereContract):
    @pytest.fixture
    def open_engine(self, sampler: FarSampler):
        self.sampler = sampler

        @asynccontextmanager
        async def open_process() -> AsyncIterator[tuple[ProcessEngine, FarSampler]]:
            sampler.tell("renew")
            attach = [sys.executable, "-S", "-c", ATTACH, str(sampler.url)]
            engine = ProcessEngine(about(MINIATURE), {}, command=attach)
            try:
                await ready(engine)
                yield engine, sampler
            finally:
                sampler.release()
                await engine.aclose()

        return open_process

    async def arrived(self, engine: Engine) -> None:
        assert isinstance(engine, ProcessEngine)
        await settle()

        def agreed() -> bool:
            remote: Any = engine.places[0].engine
            flows = tuple(remote._flows)
            waiting = sum(flow.waits and not flow.work.ahead for flow in flows)
            known = self.sampler.tell("look")
            there = (known["streams"], known["waiting"])
            return (len(flows), waiting) == there and not remote._claiming

        await until(agreed)


# Its life ---------------------------------------------------------------------------------------


@pytest.fixture
def forked(monkeypatch: pytest.MonkeyPatch) -> None:
    """What paints is a fork, which imports nothing first; a real command is in the tests of it."""
    monkeypatch.setattr(process.subprocess, "Popen", ForkedPopen)


@asynccontextmanager
async def opened(kind: str = "colours", **options: Any) -> AsyncIterator[ProcessEngine]:
    engine = ProcessEngine(STATUS, {}, command=painting(kind), **options)
    try:
        yield engine
    finally:
        await engine.aclose()
        assert engine.pid is None


def asked(prompt: str) -> GenerationRequest:
    return GenerationRequest.parse({"prompt": prompt, "seed": 1, "num_inference_steps": 8}, LIMITS)


async def read(
    engine: Engine, prompt: str, at_first_frame: Callable[[], object] | None = None
) -> list[Value]:
    found: list[Value] = []
    async with aclosing(engine.generate(Work(asked(prompt), paused=True))) as values:
        async for value in values:
            if isinstance(value, Frame) and at_first_frame is not None:
                at_first_frame()
                at_first_frame = None
            found.append(value)
    return found


def lasts(check: Callable[[], Any]) -> None:
    asyncio.run(asyncio.wait_for(check(), PATIENCE))


@pytest.mark.usefixtures("forked")
@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
def test_killed_and_stopped_it_is_replaced():
    async def check() -> None:
        async with opened(silent_seconds=3) as engine:  # a crowded machine is silent for a while
            waits = asyncio.create_task(read(engine, "before it is there"))
            first = (await waits)[-1]
            assert isinstance(first, Frame) and first.final
            calm = (await read(engine, "a boat"))[-1]
            for number in (signal.SIGKILL, signal.SIGSTOP):
                pid = engine.pid
                assert pid is not None
                hit = lambda pid=pid, number=number: os.kill(pid, number)  # noqa: E731
                sampler = FarSampler(engine.places[0].engine.url, engine._key)  # type: ignore[attr-defined]
                sampler.hold_at(2)  # it happens in the middle
                sampler.close()
                moved = await read(engine, "a boat", hit)
                check_moved(moved)
                assert moved[-1].data == calm.data  # type: ignore[union-attr]
                assert engine.pid != pid and not psutil.pid_exists(pid)
                status = engine.status()
                assert (status.state, status.engines, status.engines_ready) == ("ready", 1, 1)

    lasts(check)


@pytest.mark.usefixtures("forked")
def test_a_device_that_is_lost_is_left_with_its_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """The driver comes back in a new one only; nobody at the page has to ask again."""
    monkeypatch.setenv("LOST", str(tmp_path / "lost"))

    async def check() -> None:
        async with opened("losing") as engine:
            await ready(engine)
            pid = engine.pid
            assert pid is not None
            last = (await read(engine, "a boat"))[-1]
            assert isinstance(last, Frame) and last.final
            assert engine.pid != pid and not psutil.pid_exists(pid)
            assert (engine.status().state, engine.status().engines_ready) == ("ready", 1)

    lasts(check)
    assert (tmp_path / "lost").exists() and "illegal memory access" in caplog.text


@pytest.mark.usefixtures("forked")
def test_one_that_cannot_load_its_model_has_failed_with_its_words(monkeypatch):
    monkeypatch.setattr(process, "PAUSES", (0.0,))

    async def check() -> None:
        async with opened("failing") as engine:
            with pytest.raises(EngineUnavailable, match="There are no weights"):
                await read(engine, "a boat")
            await until(lambda: engine.status().state == "failed")
            assert engine.status().detail == "The engine: There are no weights."

    lasts(check)


@pytest.mark.parametrize("code", [0, 3])
def test_one_that_ends_at_once_has_failed(code: int, monkeypatch):
    monkeypatch.setattr(process, "PAUSES", (0.0,))

    async def check() -> None:
        command = [sys.executable, "-S", "-c", f"raise SystemExit({code})"]
        engine = ProcessEngine(STATUS, {}, command=command)
        with pytest.raises(EngineUnavailable, match="ended before it could be asked"):
            await read(engine, "a boat")
        await engine.aclose()

    lasts(check)


def test_a_program_that_is_not_there(monkeypatch):
    monkeypatch.setattr(process, "PAUSES", (0.0,))

    async def check() -> None:
        engine = ProcessEngine(STATUS, {}, command=["no-such-program"])
        with pytest.raises(EngineUnavailable, match="cannot be started"):
            await read(engine, "a boat")
        await engine.aclose()

    lasts(check)


def test_closing_ends_one_that_does_not_even_begin(monkeypatch):
    monkeypatch.setattr(process, "END_SECONDS", 0.2)

    async def check() -> None:
        sleeps = [sys.executable, "-S", "-c", "import time; time.sleep(600)"]
        engine = ProcessEngine(STATUS, {}, command=sleeps)
        await until(lambda: engine.pid is not None)
        pid = engine.pid
        await engine.aclose()
        assert pid is not None
        await until(lambda: not psutil.pid_exists(pid))

    lasts(check)


def test_it_is_told_what_it_needs_and_no_passwords(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TOLD", str(tmp_path / "told"))
    monkeypatch.setenv("LIGHTNING_AUTH", "somebody:secret")

    async def check() -> None:
        told = {"LIGHTNING_MODEL": "miniature"}
        engine = ProcessEngine(STATUS, told, Metrics(), command=painting("telling"))
        await ready(engine)
        assert (tmp_path / "told").read_text() == "LIGHTNING_MODEL"
        url = engine.places[0].engine.url  # type: ignore[attr-defined]
        answer = await asyncio.to_thread(httpx.get, f"{url}/v1/engine")
        assert answer.status_code == 401, "others need its key"
        await engine.aclose()

    lasts(check)


def test_how_long_people_wait_there():
    """By which Ray decides how many engines there are."""
    server = Colours(Settings(), "key")
    server._local.forecast_of = lambda request, draft: Forecast(1, 0.2, 0.1)  # type: ignore[attr-defined]
    assert server.wait() == 0.2
    server._metrics.queued(0.5)
    assert server.wait() == 0.5, "though a stranger would go before them"


@pytest.mark.usefixtures("forked")
def test_what_it_measures_is_on_the_pages_side():
    async def check() -> None:
        async with opened() as engine:
            await read(engine, "a boat")
            text = await asyncio.to_thread(engine._metrics.exposition)
            assert 'lightning_replica_up{node="this machine",replica="engine"} 1.0' in text.decode()
            (row,) = engine._metrics.engine_rows()
            assert (row["name"], row["state"]) == ("1", "ready")

    lasts(check)
