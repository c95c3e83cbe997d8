"""The engine in a process of its own, which is started anew when it has crashed or hangs.

The page stays up meanwhile and says so, what was being painted begins once more, and torch, which
takes a second to import and locks Python now and then, is not in the process that serves. Pictures
come over our own API (`web/engine_process.py`), as from another server. Never imports torch.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from ..schemas import EngineStatus
from ..settings import variable
from .attempt import Place
from .awaited import AwaitedEngine
from .base import STOP_SECONDS
from .choice import Balanced
from .failover import FailoverEngine
from .metrics import Metrics
from .remote import RemoteEngine
from .replica_figures import Known, ReplicaFigures

log = logging.getLogger(__name__)

PACKAGE = Path(__file__).resolve().parents[1]
COMMAND = (sys.executable, "-m", "lightning_demo.web.engine_process")
TRIES = 3  # in a row without having been ready; then it has failed for good
PAUSES = (0.0, 1.0, 5.0)  # seconds before each
SILENT_SECONDS = 20.0  # without an answer, after which it is killed
TICK_SECONDS = 0.1
POLL_SECONDS = 0.25
END_SECONDS = 5.0  # that it may take to end by itself
LABELS = "engine", "this machine"
FAILED = 1  # its code when it has said before why
NEVER = "The engine's process ended before it could be asked anything; the log says why."


class ProcessEngine(FailoverEngine):
    """See above."""

    def __init__(
        self,
        expected: EngineStatus,
        environment: Mapping[str, str],
        metrics: Metrics | None = None,
        *,
        command: Sequence[str] = COMMAND,
        silent_seconds: float = SILENT_SECONDS,
    ) -> None:
        """Starts the process, and a thread that looks after it.

        Args:
            expected: the model, and what it is painted with.
            environment: variables of the process beside this one's own.
            command: of the process.
            silent_seconds: without an answer, after which it counts as hung.
        """
        self._expected, self._environment = expected, environment
        self._command, self._silent_seconds = command, silent_seconds
        self._key = f"sk-{secrets.token_hex(24)}"
        self._awaited = AwaitedEngine(expected)
        self._nobody = Place("The engine", self._awaited, here=True)
        self._child: subprocess.Popen[str] | None = None
        self._known: Known | None = None
        self._stop = threading.Event()
        super().__init__([self._nobody], metrics, Balanced())
        self._metrics.registry.register(ReplicaFigures(self._figures))
        self._keeper = threading.Thread(target=self._keep, name="keeper", daemon=True)
        self._keeper.start()

    @property
    def pid(self) -> int | None:
        """The process that is there now."""
        child = self._child
        return None if child is None else child.pid

    async def aclose(self) -> None:
        """See `Engine.aclose`."""
        self._closed = True
        self._stop.set()
        await self._awaited.aclose()
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self._join)

    def _figures(self) -> list[Known]:
        known = self._known
        return [] if known is None else [known]

    def _join(self) -> None:
        """Waits until the process has ended; one that does not even begin is killed."""
        self._keeper.join(END_SECONDS)
        child = self._child
        if self._keeper.is_alive() and child is not None:
            child.kill()
        self._keeper.join(END_SECONDS + STOP_SECONDS)  # it closes the way to the process, too

    # On the thread --------------------------------------------------------------------------

    def _keep(self) -> None:
        """Starts it again and again, unless it never gets as far as to paint."""
        failures = 0
        while not self._stop.wait(PAUSES[min(failures, len(PAUSES) - 1)]):
            try:
                was_ready, problem = self._live()
            except Exception:
                log.exception("while looking after the engine's process")
                was_ready, problem = False, NEVER
            failures = 0 if was_ready else failures + 1
            if self._stop.is_set():
                return
            log.warning("the engine's process has ended: %s", problem)
            if failures == TRIES:
                self._awaited.tell(1, problem)
                return

    def _live(self) -> tuple[bool, str]:
        """One life of the process; whether it was ever ready, and why it is over."""
        try:
            self._child = child = self._start()
        except OSError as error:
            return False, f"The engine's process cannot be started: {error}."
        try:
            assert child.stdout is not None  # noqa: S101
            url = child.stdout.readline().strip()
            if not url:
                return False, NEVER
            return self._watch(child, url)
        finally:
            _end(child)
            self._child = None

    def _start(self) -> subprocess.Popen[str]:
        paths = [str(PACKAGE.parent), os.environ.get("PYTHONPATH", "")]
        more = ["--verbose"] if log.isEnabledFor(logging.DEBUG) else []
        child = subprocess.Popen(  # noqa: S603
            [*self._command, *more],
            stdin=subprocess.PIPE,  # closes when this process ends, which ends the child
            stdout=subprocess.PIPE,
            text=True,
            env={
                # Passwords and keys of the page, for one, are no concern of it.
                **{name: value for name, value in os.environ.items() if not ours(name)},
                "PYTHONPATH": os.pathsep.join(filter(None, paths)),
                **self._environment,
            },
        )
        assert child.stdin is not None  # noqa: S101
        with suppress(OSError):  # it has ended at once
            child.stdin.write(
                f"{self._key}\n"
            )  # not by the command or a variable, which others see
            child.stdin.flush()
        return child

    def _watch(self, child: subprocess.Popen[str], url: str) -> tuple[bool, str]:
        engine = RemoteEngine(
            url,
            self._expected,
            self._key,
            metrics=self._metrics,
            poll_seconds=POLL_SECONDS,
            here=True,
        )
        place = Place("The engine", engine, here=True, label="1")
        self._known = Known(LABELS, url, self._key, place)
        self._awaited.tell(0)
        self.places = [place, self._nobody]
        was_ready, silent, problem, before = False, 0.0, NEVER, time.monotonic()
        try:
            while child.poll() is None and not self._stop.wait(TICK_SECONDS):
                # A tick that took longer is one in which this thread did not run, either.
                now = time.monotonic()
                passed, before = min(now - before, 2 * TICK_SECONDS), now
                status = engine.status()
                was_ready = was_ready or status.state == "ready"
                silent = silent + passed if status.state == "failed" else 0.0
                if status.state == "failed":
                    problem = engine.failure or status.detail
                if silent >= self._silent_seconds:
                    child.kill()
                    child.wait()
        finally:
            self._awaited.tell(1)
            self.places = [self._nobody]
            self._known = None
            asyncio.run(engine.aclose())
        if child.returncode not in (None, FAILED):
            problem = f"The engine's process has ended with code {child.returncode}."
        return was_ready, problem


def _end(child: subprocess.Popen[str]) -> None:
    """Lets it end by itself, as it does when its standard input closes; else ends it."""
    with suppress(OSError):
        if child.stdin is not None:
            child.stdin.close()
    try:
        child.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    if child.stdout is not None:
        child.stdout.close()


def ours(name: str) -> bool:
    """Whether an environment variable is a setting of the demo."""
    return name.startswith(variable(""))
