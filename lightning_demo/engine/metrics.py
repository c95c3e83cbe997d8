"""What the engine did and how long it took: for Prometheus, and in short for the page.

Knows no HTTP and no model. Everything may be called from any thread.
"""

from __future__ import annotations

import threading
import time
from collections import Counter as Counts
from collections.abc import Callable, Iterable, Mapping
from statistics import median
from typing import Literal, TypedDict, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from .base import Origin
from .recent import Recent

# Seconds: a step of the miniature takes milliseconds, a line of strangers half a minute.
LATENCIES = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
ROWS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
MAX_KEYS = 100  # with figures of their own; each label is kept, by us and by Prometheus
NO_KEY, OTHER_KEYS = "no key", "other keys"  # two words: no key's own name has a space

Decoder = Literal["decoder", "preview"]
State = Literal["waiting", "running"]
Guess = Literal["painted", "given_up", "hit"]


class EngineRow(TypedDict):
    """One engine of several, for whoever watches the page's engine room."""

    name: str  # short, and no address: it is shown to visitors
    state: Literal["ready", "loading", "failed", "closed", "resting"]
    waiting: int  # requests in line there
    painting: int  # requests of this server there, those in line included
    given: int  # requests so far


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
        self._safety = self._seconds("safety", "One look of the safety checker at a picture.")
        self._first_paint = self._seconds("first_paint", "From asking to the first frame.")
        self._request = self._seconds("request", "From asking to the final frame.")
        self._batch = Histogram(
            "lightning_batch_rows",
            "Rows that shared one UNet call.",
            buckets=ROWS,
            registry=self.registry,
        )
        self._blurred = self._count("blurred", "Pictures that the safety checker has blurred.")
        self._prompts = self._count("prompts", "Prompts encoded.")
        self._decoded = self._count("decoded", "Rows decoded to pixels.", "kind")
        self._steps = self._count("steps", "Steps taken: rows times UNet calls.", "origin")
        self._wasted = self._count(
            "wasted_steps", "Of superseded requests, after their last frame."
        )
        self._requests = self._count(
            "requests", "Requests that the model had to do with.", "outcome", "origin"
        )
        memory = self._count("memory", "Looks into the memory of finished frames.", "result")
        self._hits = memory.labels("hit")
        self._misses = memory.labels("miss")
        self._shared = memory.labels("shared")
        self._guesses = self._count("ahead", "Guesses at what will be asked for.", "outcome")
        self._ahead_steps = self._count("ahead_steps", "Steps taken for guesses.")
        self._moved = self._count(
            "moved", "Requests begun anew on another engine, for the first was gone or hung.", "why"
        )
        self._hedges = self._count(
            "second_starts", "Of late first frames on another engine, and who was first.", "first"
        )
        self._engines = self._gauge("engines", "Engines that could paint, and that do.", "state")
        self._sessions = self._gauge("sessions", "Open sessions.")
        self._sessions_waiting = self._gauge("sessions_waiting", "Sessions not let in yet.")
        self._waiting = self._gauge("waiting", "Requests in line.")
        self._in_flight = self._gauge(
            "in_flight", "Requests that somebody waits for.", "origin", "state"
        )
        self._key_pictures = self._count("key_pictures", "Pictures painted for programs.", "key")
        self._key_steps = self._count("key_steps", "Steps of those pictures.", "key")
        self._key_refused = self._count("key_refused", "Their requests turned away.", "key")
        for origin in get_args(Origin):
            self._steps.labels(origin)
            for outcome in ("finished", "superseded", "failed"):
                self._requests.labels(outcome, origin)
            for state in get_args(State):
                self._in_flight.labels(origin, state)
        self._keys: set[str] = set()
        self._lock = threading.Lock()  # of all below
        self._recent = Recent(clock)
        self._here = 0
        self._asked = 0
        self._repainted = 0
        self._pictures = 0
        self._rows: Callable[[], list[EngineRow]] = list

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

    def stepped(self, origins: Iterable[Origin], seconds: float) -> None:
        """A UNet was called for rows of these origins, each named as often as it has rows."""
        counts = Counts(origins)
        rows = counts.total()
        self._step.labels(rows).observe(seconds)
        self._batch.observe(rows)
        for origin, count in counts.items():
            self._steps.labels(origin).inc(count)
        with self._lock:
            self._recent.add("rows", rows)

    def decoded(self, kind: Decoder, rows: int, seconds: float) -> None:
        """The latents of so many rows were decoded together."""
        self._decode.labels(kind).observe(seconds)
        self._decoded.labels(kind).inc(rows)

    def superseded(self, wasted: int, origin: Origin = "page") -> None:
        """Nobody wants a request any more; so many steps were taken after its last frame."""
        self._requests.labels("superseded", origin).inc()
        self._wasted.inc(wasted)
        with self._lock:
            self._recent.add("wasted", wasted)

    def sent(
        self,
        timings: Mapping[str, float],
        *,
        first: bool,
        final: bool,
        draft: bool = False,
        origin: Origin = "page",
    ) -> None:
        """A frame is on its way to its reader, with these milliseconds by stage."""
        total = timings["total"] / 1000
        self._encode.observe(timings["encode"] / 1000)
        if first:
            self._first_paint.observe(total)
        if final:
            self._request.observe(total)
            self._requests.labels("finished", origin).inc()
            with self._lock:
                self._recent.add("pictures", 1)
                self._pictures += not draft

    def failed(self, origin: Origin = "page") -> None:
        """A request ended with an error."""
        self._requests.labels("failed", origin).inc()

    def stepped_ahead(self) -> None:
        """A UNet was called for a guess."""
        self._ahead_steps.inc()

    def checked(self, seconds: float, *, blurred: bool) -> None:
        """The safety checker has looked at a picture."""
        self._safety.observe(seconds)
        if blurred:
            self._blurred.inc()

    def guessed(self, outcome: Guess) -> None:
        """A guess was painted or given up; or somebody asked for what was painted, or half done."""
        self._guesses.labels(outcome).inc()

    # What several engines as one call -----------------------------------------------------------

    def moved(self, why: Literal["gone", "hung"]) -> None:
        """A request was begun anew on another engine."""
        self._moved.labels(why).inc()

    def hedged(self, *, won: bool) -> None:
        """A late request was begun on a second engine, which was first with something to show."""
        self._hedges.labels("second" if won else "first").inc()

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

    # What the APIs call -------------------------------------------------------------------------

    def used(self, key: str | None, steps: int) -> None:
        """A picture of so many steps was painted for the holder of a key, or of none."""
        label = self._key(key)
        self._key_pictures.labels(label).inc()
        self._key_steps.labels(label).inc(steps)

    def refused(self, key: str | None) -> None:
        """A request was turned away: for want of a key, or one that comes too often."""
        self._key_refused.labels(self._key(key)).inc()

    # What is so at this moment ------------------------------------------------------------------

    def sessions(self, here: int, waiting: int = 0) -> None:
        """So many sessions are open, and so many more wait to be let in."""
        self._sessions.set(here)
        self._sessions_waiting.set(waiting)
        with self._lock:
            self._here = here

    def engines(self, ready: int, known: int) -> None:
        """So many engines are ready, of so many."""
        self._engines.labels("ready").set(ready)
        self._engines.labels("known").set(known)

    def list_engines(self, rows: Callable[[], list[EngineRow]]) -> None:
        """Where to ask how each of several engines is doing."""
        self._rows = rows

    def waiting(self, requests: int) -> None:
        """So many requests are in line."""
        self._waiting.set(requests)

    def came(self, origin: Origin) -> Place:
        """Somebody waits for a picture from now on."""
        return Place({state: self._in_flight.labels(origin, state) for state in get_args(State)})

    # What comes of it ---------------------------------------------------------------------------

    def exposition(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self.registry)

    def engine_rows(self) -> list[EngineRow]:
        """Each of several engines; none where there is one."""
        return self._rows()

    def summary(self) -> dict[str, float | int | None]:
        """In short how it goes, over the last ten seconds unless said otherwise.

        `sessions` that are open now; `pictures` painted so far, drafts not counted;
        `pictures_per_second` finished by the model; `rows_per_step`, the mean (1 or more);
        `queue_wait_ms`, the median; `hit_rate`, the share of all requests so far that were
        repainted from memory, and `wasted`, the share of steps of which nothing was shown (both
        0 to 1). None where there was nothing to measure.
        """
        with self._lock:
            recent, seconds = self._recent.values(), self._recent.seconds()
            rows, waits = recent["rows"], recent["wait"]
            return {
                "sessions": self._here,
                "pictures": self._pictures,
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

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"lightning_{name}", text, labels, registry=self.registry)

    def _key(self, name: str | None) -> str:
        """The label of a key: its name, or for names beyond the most one for all of them."""
        if name is None:
            return NO_KEY
        with self._lock:
            if name not in self._keys:
                if len(self._keys) == MAX_KEYS:
                    return OTHER_KEYS
                self._keys.add(name)
        return name


class Place:
    """Where a request is, in the gauges of its origin: it waits, until it is said to run."""

    def __init__(self, gauges: Mapping[State, Gauge]) -> None:
        self._gauges = gauges
        self._state: State = "waiting"
        gauges["waiting"].inc()

    def move(self, state: State) -> None:
        """It waits, or it is being painted."""
        self._gauges[self._state].dec()
        self._gauges[state].inc()
        self._state = state

    def leave(self) -> None:
        """Nobody waits for it any more."""
        self._gauges[self._state].dec()
