"""Measures what calls of the model cost, before anybody waits for one."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, get_args

from ..errors import DeviceLost, OutOfMemory
from ..schemas import ROW_BUCKETS, GenerationRequest
from .latency_model import Kind, LatencyModel, Size
from .runner import Row, Runner, SamplerRunner

if TYPE_CHECKING:
    from ..model.sampling.sampler import Sampler

log = logging.getLogger(__name__)

ALIKE = 2.0  # times the area, within which sizes are told by one another
ROUNDS = 2  # the quicker counts: the first finds nothing prepared
AGAIN = 3  # quiet moments in which what seemed not worthwhile is tried once more


def calibrate(sampler: Sampler, latency_model: LatencyModel, kind: Kind, size: Size) -> None:
    """Measures one kind of call at a size, with more rows for as long as those are worthwhile.

    Steps of the miniature take a third of a second on two cores. Seconds of the calls are told to
    `latency_model`; so is a number of rows that the memory does not hold.

    Raises:
        OutOfMemory: it does not hold one.
    """
    for _ in call_by_call(sampler, latency_model, kind, size):
        pass


def call_by_call(
    sampler: Sampler, latency_model: LatencyModel, kind: Kind, size: Size
) -> Iterator[None]:
    """The same, and yields after each call: calls of several rows may not be prepared yet.

    Seconds of SDXL's on a GPU, where an eager step of one row already takes a tenth.
    """
    runner = SamplerRunner(sampler)
    for rows in ROW_BUCKETS:
        batch, best = _rows(sampler, kind, size, rows), math.inf
        try:
            for number in range(2 * ROUNDS):
                best = min(best, _seconds(runner, kind, batch))
                yield
                if number + 1 == ROUNDS:
                    latency_model.calibrate(kind, size, rows, best)
                    if latency_model.cap(kind, size) >= rows:
                        break  # else something else may have been busy just then
            latency_model.calibrate(kind, size, rows, best)
        except OutOfMemory:
            if rows == 1:
                raise
            latency_model.lower(kind, size, rows)
            break
        if latency_model.cap(kind, size) < rows:
            break
    log.info("%d x %d: up to %d rows of one %s", *size, latency_model.cap(kind, size), kind)


class Calibration:
    """Measures the calls of one sampler: what decides at once, the rest while nobody waits."""

    def __init__(self, sampler: Sampler, latency_model: LatencyModel) -> None:
        self._sampler, self._latency_model = sampler, latency_model
        self._sizes = sampler.spec.limits.sizes
        self._tried: set[tuple[Kind, Size]] = set()  # what has been measured, or cannot be
        self._again: Counter[tuple[Kind, Size]] = Counter()
        self._under_way: Iterator[None] | None = None

    @property
    def under_way(self) -> bool:
        """Whether something has been begun and not ended."""
        return self._under_way is not None

    def first(self) -> None:
        """Measures steps at the usual size; whatever was known is forgotten."""
        self.begin_anew()
        while self.go_on():
            pass

    def begin_anew(self) -> None:
        """The same, of which `go_on` does one call after another."""
        self._latency_model.forget()
        self._tried.clear()
        self._again.clear()
        self._begin("step", self._sizes[0])

    def go_on(self) -> bool:
        """One call of what has been begun, or its end; whether there was anything to do."""
        if self._under_way is None:
            return False
        try:
            next(self._under_way)
        except StopIteration:
            self._under_way = None
        except DeviceLost:
            raise
        except Exception:  # the engine goes on with what is known
            log.exception("a call of the model could not be measured")
            self._under_way = None
        return True

    def another(self) -> bool:
        """Measures one call more, if there is one that is not known; whether there was.

        A single one, so that whoever comes meanwhile does not wait for long. Sizes are told by
        those that were measured, unless they are too unlike.
        """
        if self.go_on():
            return True
        for size in self._sizes:
            for kind in get_args(Kind):
                known = {other for of, other, _, _ in self._latency_model if of == kind}
                if (kind, size) not in self._tried and not any(_alike(size, k) for k in known):
                    self._begin(kind, size)
                    return self.go_on()
        return self._once_more()

    def _once_more(self) -> bool:
        """Measures one call again that seemed not worthwhile: the machine may have been busy."""
        for kind, size, rows, before in list(self._latency_model):
            if self._again[kind, size] < AGAIN and rows > self._latency_model.cap(kind, size):
                self._again[kind, size] += 1
                batch = _rows(self._sampler, kind, size, rows)
                seconds = _seconds(SamplerRunner(self._sampler), kind, batch)
                self._latency_model.calibrate(kind, size, rows, min(before, seconds))
                return True
        return False

    def _begin(self, kind: Kind, size: Size) -> None:
        self._tried.add((kind, size))
        self._under_way = call_by_call(self._sampler, self._latency_model, kind, size)


def _alike(size: Size, other: Size) -> bool:
    share = size[0] * size[1] / (other[0] * other[1])
    return 1 / ALIKE < share < ALIKE


def _rows(sampler: Sampler, kind: Kind, size: Size, rows: int) -> list[Row]:
    """Rows of which such a call can be made."""
    steps = sampler.spec.limits.default_steps
    request = GenerationRequest("a calibration", "", steps, 0.0, 0, *size)
    batch = [sampler.begin(request) for _ in range(rows)]
    if kind == "preview":
        sampler.step(batch)
    return batch


def _seconds(runner: Runner, kind: Kind, batch: list[Row]) -> float:
    for row in batch:
        row.step = 0
    return runner.step(batch) if kind == "step" else runner.decode(kind, batch)[1]
