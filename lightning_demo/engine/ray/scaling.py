"""How many replicas: as many as it takes for nobody to wait long. Runs in Serve's controller."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

WANTED_SECONDS = 0.5  # that whoever comes now may have to wait for a first step
BORED_SECONDS = 0.05  # below which one replica fewer is tried
WAIT = "wait"  # what replicas tell of themselves


def wanted(replicas: int, waits: Mapping[Any, float]) -> int:
    """How many there should be.

    Args:
        waits: seconds that a newcomer would wait at each that paints.
    """
    if not waits:
        return replicas
    mean = sum(waits.values()) / len(waits)
    if mean > WANTED_SECONDS:  # at most twice as many at a time: what comes of it is seen first
        return math.ceil(len(waits) * min(2.0, mean / WANTED_SECONDS))
    return replicas - 1 if mean < BORED_SECONDS else replicas


def by_wait(context: Any) -> tuple[int, dict[str, Any]]:
    """Serve's autoscaling policy; bounds and delays are Serve's own."""
    waits = (context.aggregated_metrics or {}).get(WAIT, {})
    return wanted(context.target_num_replicas, waits), {}
