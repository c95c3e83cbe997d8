"""Measures what calls of the model cost, before anybody waits for one."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..errors import OutOfMemory
from ..schemas import GenerationRequest
from .costs import BUCKETS, Costs, Kind, Size

if TYPE_CHECKING:
    from ..model.sampling import Sampler
    from ..model.step import Row

log = logging.getLogger(__name__)

ROUNDS = 3  # the quickest counts: the first finds nothing prepared, others are disturbed


def calibrate(sampler: Sampler, costs: Costs, size: Size) -> None:
    """Measures steps and decoders at a size, with more rows for as long as those are worthwhile.

    A fraction of a second for the miniature on two cores. Seconds of the calls are told to `costs`;
    so is a number of rows that the memory does not hold.

    Raises:
        OutOfMemory: it does not hold one.
    """

    def step(rows: list[Row]) -> None:
        sampler.step(rows)
        sampler.synchronize()

    calls: tuple[tuple[Kind, Callable[[list[Row]], object]], ...] = (
        ("step", step),
        ("preview", sampler.previews),
        ("decoder", sampler.finals),
    )
    request = GenerationRequest(
        "a calibration", "", sampler.family.limits.default_steps, 0.0, 0, *size
    )
    for kind, call in calls:
        for rows in BUCKETS:
            batch = [sampler.begin(request) for _ in range(rows)]
            if kind == "preview":
                sampler.step(batch)
            try:
                seconds = _timed(call, batch)
            except OutOfMemory:
                if rows == BUCKETS[0]:
                    raise
                costs.lower(kind, size, rows)
                break
            costs.calibrate(kind, size, rows, seconds)
            if costs.cap(kind, size) < rows:
                break
        log.info("%d x %d: up to %d rows of one %s", *size, costs.cap(kind, size), kind)


def _timed(call: Callable[[list[Row]], object], batch: list[Row]) -> float:
    """Seconds of the quickest of a few rounds."""
    taken = []
    for _ in range(ROUNDS):
        for row in batch:
            row.step = 0
        begun = time.perf_counter()
        call(batch)
        taken.append(time.perf_counter() - begun)
    return min(taken)
