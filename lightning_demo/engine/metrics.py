"""What the engine did and how long it took: for Prometheus, and in short for the page.

Knows no HTTP and no model. Everything may be called from any thread.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from statistics import median
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

# Seconds: a step of the miniature takes milliseconds, a line of strangers half a minute.
LATENCIES = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
ROWS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
RECENT_SECONDS = 10
RECENT_EVENTS = 8192

Decoder = Literal["decoder", "preview"]
Guess = Literal["painted", "given_up", "hit"]


class Metrics:
    """The measurements of one process, in a registry of its own.

    What one call costs: `python -m timeit -s "from lightning_demo.engine.metrics import Metrics;
    m = Metrics()" "m.stepped(4, 0.01)"`.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """
        Args:
            clock: seconds that never go back, for the last seconds of `summary`.
        """
        self.registry = CollectorRegistry()
        self._queue_wait = self._seconds("queue_wait", "From asking to the start of the work.")
        self._embed = self._seconds("embed", "One encoding of prompts that were not known.")
        self._step = self._seconds("step", "One UNet call, by the rows that shared it.", "rows")
        self._decode = self._seconds("decode", "One decoding of latents to pixels.", "kind")
        self._encode = self._seconds("encode", "One encoding of pixels to a file.")
        self._first_paint = self._seconds("first_paint", "From asking to the first frame.")
        self._request = self._seconds("request", "From asking to the final frame.")
        self._batch = Histogram(
            "lightning_batch_rows",
            "Rows that shared one UNet call.",
            buckets=ROWS,
            registry=self.registry,
        )
        self._prompts = self._count("prompts", "Prompts encoded.")
        self._decoded = self._count("decoded", "Rows decoded to pixels.", "kind")
        self._steps = self._count("steps", "Steps taken: rows times UNet calls.")
        self._wasted = self._count(
            "wasted_steps", "Of superseded requests, after their last frame."
        )
        requests = self._count("requests", "Requests that the model had to do with.", "outcome")
        self._finished = requests.labels("finished")
        self._superseded = requests.labels("superseded")
        self._failed = requests.labels("failed")
        memory = self._count("memory", "Looks into the memory of finished frames.", "result")
        self._hits = memory.labels("hit")
        self._misses = memory.labels("miss")
        self._shared = memory.labels("shared")
        self._guesses = self._count("ahead", "Guesses at what will be asked for.", "outcome")
        self._ahead_steps = self._count("ahead_steps", "Steps taken for guesses.")
        self._sessions = self._gauge("sessions", "Open sessions.")
        self._sessions_waiting = self._gauge("sessions_waiting", "Sessions not let in yet.")
        self._waiting = self._gauge("waiting", "Requests in line.")
        self._lock = threading.Lock()  # of all below
        self._recent = _Recent(clock)
        self._here = 0
        self._asked = 0
        self._repainted = 0

    # What the engine calls; all times are seconds -----------------------------------------------

    def queued(self, seconds: float) -> None:
        """A request has waited in line and is served now."""
        self._queue_wait.observe(seconds)
        with self._lock:
            self._recent.add("wait", seconds)

    def embedded(self, prompts: int, seconds: float) -> None:
        """Prompts were encoded together."""
        self._embed.observe(seconds)
        self._prompts.inc(prompts)

    def stepped(self, rows: int, seconds: float) -> None:
        """A UNet was called for so many rows."""
        self._step.labels(rows).observe(seconds)
        self._batch.observe(rows)
        self._steps.inc(rows)
        with self._lock:
            self._recent.add("rows", rows)

    def decoded(self, kind: Decoder, rows: int, seconds: float) -> None:
        """The latents of so many rows were decoded together."""
        self._decode.labels(kind).observe(seconds)
        self._decoded.labels(kind).inc(rows)

    def superseded(self, wasted: int) -> None:
        """Nobody wants a request any more; so many steps were taken after its last frame."""
        self._superseded.inc()
        self._wasted.inc(wasted)
        with self._lock:
            self._recent.add("wasted", wasted)

    def sent(self, timings: Mapping[str, float], *, first: bool, final: bool) -> None:
        """A frame is on its way to its reader, with these milliseconds by stage."""
        total = timings["total"] / 1000
        self._encode.observe(timings["encode"] / 1000)
        if first:
            self._first_paint.observe(total)
        if final:
            self._request.observe(total)
            self._finished.inc()
            with self._lock:
                self._recent.add("pictures", 1)

    def failed(self) -> None:
        """A request ended with an error."""
        self._failed.inc()

    def stepped_ahead(self) -> None:
        """A UNet was called for a guess."""
        self._ahead_steps.inc()

    def guessed(self, outcome: Guess) -> None:
        """A guess was painted or given up; or somebody asked for what was painted, or half done."""
        self._guesses.labels(outcome).inc()

    # What the memory calls: one of the three for each request -----------------------------------

    def hit(self) -> None:
        """A request was repainted from memory."""
        self._hits.inc()
        with self._lock:
            self._asked += 1
            self._repainted += 1

    def miss(self) -> None:
        """A request has to be painted."""
        self._misses.inc()
        with self._lock:
            self._asked += 1

    def shared(self) -> None:
        """A request, a miss, gets the picture that is being painted for another one."""
        self._shared.inc()

    # What is so at this moment ------------------------------------------------------------------

    def sessions(self, here: int, waiting: int = 0) -> None:
        """So many sessions are open, and so many more wait to be let in."""
        self._sessions.set(here)
        self._sessions_waiting.set(waiting)
        with self._lock:
            self._here = here

    def waiting(self, requests: int) -> None:
        """So many requests are in line."""
        self._waiting.set(requests)

    # What comes of it ---------------------------------------------------------------------------

    def exposition(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self.registry)

    def summary(self) -> dict[str, float | int | None]:
        """In short how it goes, over the last ten seconds unless said otherwise.

        `sessions` that are open now; `pictures_per_second` finished by the model; `rows_per_step`,
        the mean (1 or more); `queue_wait_ms`, the median; `hit_rate`, the share of all requests so
        far that were repainted from memory, and `wasted`, the share of steps of which nothing
        was shown (both 0 to 1). None where there was nothing to measure.
        """
        with self._lock:
            recent, seconds = self._recent.values(), self._recent.seconds()
            rows, waits = recent["rows"], recent["wait"]
            return {
                "sessions": self._here,
                "pictures_per_second": round(sum(recent["pictures"]) / seconds, 2),
                "rows_per_step": round(sum(rows) / len(rows), 2) if rows else None,
                "queue_wait_ms": round(1000 * median(waits), 1) if waits else None,
                "hit_rate": round(self._repainted / self._asked, 4) if self._asked else None,
                # Steps may be wasted by a request that took them before these seconds.
                "wasted": round(min(1, sum(recent["wasted"]) / sum(rows)), 4) if rows else None,
            }

    def _seconds(self, name: str, text: str, *labels: str) -> Histogram:
        return Histogram(
            f"lightning_{name}_seconds", text, labels, buckets=LATENCIES, registry=self.registry
        )

    def _count(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"lightning_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"lightning_{name}", text, registry=self.registry)


class _Recent:
    """What happened in the last seconds; of very many events only the newest are kept."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock, self._begun = clock, clock()
        self._events: deque[tuple[float, str, float]] = deque(maxlen=RECENT_EVENTS)

    def add(self, name: str, value: float) -> None:
        self._events.append((self._clock(), name, value))

    def values(self) -> defaultdict[str, list[float]]:
        since = self._clock() - RECENT_SECONDS
        found: defaultdict[str, list[float]] = defaultdict(list)
        for at, name, value in self._events:
            if at > since:
                found[name].append(value)
        return found

    def seconds(self) -> float:
        """That `values` are of; at least 1, so that the first event makes no rate."""
        return min(RECENT_SECONDS, max(1.0, self._clock() - self._begun))
