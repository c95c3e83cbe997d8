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

ROUNDS = 2  # the quicker counts: the first finds nothing prepared


def calibrate(sampler: Sampler, costs: Costs, kind: Kind, size: Size) -> None:
    """Measures one kind of call at a size, with more rows for as long as those are worthwhile.

    Steps of the miniature take a third of a second on two cores. Seconds of the calls are told to
    `costs`; so is a number of rows that the memory does not hold.

    Raises:
        OutOfMemory: it does not hold one.
    """
    request = GenerationRequest(
        "a calibration", "", sampler.family.limits.default_steps, 0.0, 0, *size
    )
    for rows in BUCKETS:
        batch = [sampler.begin(request) for _ in range(rows)]
        if kind == "preview":
            sampler.step(batch)
        try:
            seconds = min(_timed(_call(sampler, kind), batch) for _ in range(ROUNDS))
        except OutOfMemory:
            if rows == BUCKETS[0]:
                raise
            costs.lower(kind, size, rows)
            break
        costs.calibrate(kind, size, rows, seconds)
        if costs.cap(kind, size) < rows:
            break
    log.info("%d x %d: up to %d rows of one %s", *size, costs.cap(kind, size), kind)


def _call(sampler: Sampler, kind: Kind) -> Callable[[list[Row]], object]:
    if kind == "decoder":
        return sampler.finals
    if kind == "preview":
        return sampler.previews

    def step(rows: list[Row]) -> None:
        sampler.step(rows)
        sampler.synchronize()

    return step


def _timed(call: Callable[[list[Row]], object], batch: list[Row]) -> float:
    for row in batch:
        row.step = 0
    begun = time.perf_counter()
    call(batch)
    return time.perf_counter() - begun
