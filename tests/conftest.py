"""Fixtures: the shipped miniature, loaded once."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections.abc import Callable, Coroutine, Generator, Iterator
from typing import Any

# Before anything imports torch, and for every child process: the models here are so small that a
# second thread only waits for the first, and spins meanwhile.
os.environ["OMP_NUM_THREADS"] = "1"
# Where a program asks for more all the same, those with nothing to do sleep.
os.environ["OMP_WAIT_POLICY"] = "passive"
# Servers of the tests start no process that compiles; tests of that ask for it.
os.environ["LIGHTNING_COMPILE"] = "no"
# Gradio's clients, and what its server notices of them, wait for the next; else that takes 15 s.
os.environ["GRADIO_HEARTBEAT_INTERVAL"] = "0.25"

import hypothesis
import pytest

from lightning_demo.model.weights.checkpoints import MINIATURE
from lightning_demo.schemas import GenerationRequest

from . import certificates, processes, type_hints  # noqa: F401 - the last for its effect

pytest_plugins = ["tests.fault_table"]
certificates.trust_one_authority()

gc.disable()  # until all tests have been collected: what is imported is no garbage
# Deterministic, and blind to how slow the machine is: timing never decides a test.
hypothesis.settings.register_profile(
    "steady",
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("steady")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """How many processes run the tests: one more than there are cores, and none for one file.

    Tests wait a third of their time, for browsers, sockets and programs: two processes leave two
    cores a third of theirs, three leave nothing. More than four would only take memory, 1.5 GiB
    each with all that it starts, and each imports for ten seconds first.
    """
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None  # pytest-xdist's own way
    if len(config.args) == 1 and ".py" in config.args[0]:
        return 0
    has_affinity = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    return min(cores, 3) + 1


def pytest_collection_finish() -> None:
    """Keeps the half a million objects that are there out of every garbage collection to come."""
    gc.freeze()
    gc.enable()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """Prepares for programs that tests start, in each process that runs tests."""
    if not session.config.pluginmanager.hasplugin("dsession"):  # which only hands them out
        processes.prepare()
    return (yield)


def pytest_runtest_setup() -> None:
    """Takes back the threads that the test before has asked for, as training and benchmarks do."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


@pytest.fixture(scope="session")
def miniature() -> Any:
    """The miniature's components on the CPU, warm: no test has the first picture to wait for."""
    from lightning_demo.model.loading import load_components
    from lightning_demo.model.sampling.sampler import Sampler

    loaded = load_components(MINIATURE, "cpu")
    Sampler(loaded).warm_up()
    return loaded


@pytest.fixture(scope="session")
def components(miniature: Any) -> Any:
    """What tests compute with: the miniature, unless a folder's tests need less of it."""
    return miniature


@pytest.fixture(scope="session")
def sampler(components: Any) -> Any:
    """A sampler of the miniature; its state is only the memory of prompts."""
    from lightning_demo.model.sampling.sampler import Sampler

    return Sampler(components)


@pytest.fixture(scope="session")
def ask() -> Callable[..., GenerationRequest]:
    """Makes a valid request to the miniature: `ask("a cat", seed=3)`."""

    def make(prompt: str = "a red house", **fields: Any) -> GenerationRequest:
        return GenerationRequest.parse({"seed": 7, "prompt": prompt, **fields}, MINIATURE.limits)

    return make


@pytest.fixture
def run() -> Iterator[Callable[[Coroutine[Any, Any, Any]], Any]]:
    """Runs a coroutine, as `asyncio.run` does, but never longer than a minute."""

    def runner(coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run(asyncio.wait_for(coroutine, 60))

    yield runner
