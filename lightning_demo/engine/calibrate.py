"""Measures what calls of the model cost, before anybody waits for one."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeAlias, get_args

from ..errors import DeviceLost, OutOfMemory
from ..schemas import ROW_BUCKETS, GenerationRequest
from .latency_model import Kind, LatencyModel, Size
from .runner import Row, Runner, SamplerRunner

if TYPE_CHECKING:
    from ..model.sampling.sampler import Sampler

log = logging.getLogger(__name__)

Call: TypeAlias = tuple[Kind, Size]
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
    """The same, and yields after each call; `latency_model` is told when all have been made.

    Calls of several rows may not be prepared yet: on a GPU they would take seconds together, where
    an eager step of SDXL's takes a tenth.
    """
    runner, found = SamplerRunner(sampler), LatencyModel()
    for rows in ROW_BUCKETS:
        batch, best = _rows(sampler, kind, size, rows), math.inf
        try:
            for number in range(2 * ROUNDS):
                if kind == "step" and not sampler.is_resident(sampler.spec.limits.default_steps):
                    _seconds(runner, kind, batch)  # which brings the UNet
                best = min(best, _seconds(runner, kind, batch))
                yield
                if number + 1 == ROUNDS:
                    found.calibrate(kind, size, rows, best)
                    if found.cap(kind, size) >= rows:
                        break  # else something else may have been busy just then
            found.calibrate(kind, size, rows, best)
        except OutOfMemory:
            if rows == 1:
                raise
            latency_model.lower(kind, size, rows)
            break
        if found.cap(kind, size) < rows:
            break
    latency_model.replace(kind, size, {rows: seconds for _, _, rows, seconds in found})
    log.info("%d x %d: up to %d rows of one %s", *size, latency_model.cap(kind, size), kind)


class Calibration:
    """Measures the calls of one sampler: what decides at once, the rest while nobody waits."""

    def __init__(self, sampler: Sampler, latency_model: LatencyModel) -> None:
        self._sampler, self._latency_model = sampler, latency_model
        self._sizes = sampler.spec.limits.sizes
        self._measured: set[Call] = {(kind, size) for kind, size, _, _ in latency_model}
        self._tried: set[Call] = set()  # what has been begun, be it that it failed
        self._again: Counter[Call] = Counter()
        self._under_way: tuple[Call, Iterator[None]] | None = None

    @property
    def under_way(self) -> bool:
        """Whether something has been begun and not ended."""
        return self._under_way is not None

    def first(self) -> None:
        """Measures steps at the usual size; whatever was known is forgotten."""
        self._latency_model.forget()
        self.begin_anew()
        while self.go_on():
            pass

    def begin_anew(self) -> None:
        """The same, of which `go_on` does one call after another; until then the old figures serve.

        Of everything else, too, until it has been measured.
        """
        self._measured.clear()
        self._tried.clear()
        self._again.clear()
        self._begin("step", self._sizes[0])

    def go_on(self) -> bool:
        """One call of what has been begun, or its end; whether there was anything to do."""
        if self._under_way is None:
            return False
        call, calls = self._under_way
        try:
            next(calls)
        except StopIteration:
            self._under_way = None
            self._measured.add(call)
        except DeviceLost:
            raise
        except Exception:  # the engine goes on with what is known
            log.exception("calls of the %s at %d x %d could not be measured", call[0], *call[1])
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
                known = [other for of, other in self._measured if of == kind]
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
        calls = call_by_call(self._sampler, self._latency_model, kind, size)
        self._under_way = (kind, size), calls


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
