"""What somebody in the middle of typing is painted: the asked picture, or a draft that is sooner.

Whoever types on will throw the picture away, so it may be a lesser one if that brings it within the
latency budget. The choice alone, from what the engine forecasts; without a clock, a task or an
engine. The picture that stays is never a draft: `policy` sees to that.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from ..schemas import GenerationRequest, Limits
from .base import Forecast

SAME_SHAPE = 0.1  # largest difference of the logarithms of width / height

# (request, draft) -> how long it would take; None: not known
Forecaster = Callable[[GenerationRequest, bool], Forecast | None]


def drafts(request: GenerationRequest, limits: Limits) -> list[GenerationRequest]:
    """What may be painted for a request by the preview decoder, the best first.

    Fewer steps, then the fewest at smaller trained sizes of nearly the same shape. One step is
    never among them unless it was asked for: SDXL-Lightning's 1-step UNet is experimental. The
    asked steps are only where there are no fewer: all of them are taken again after the draft, and
    the asked picture's own last preview is nearly as good and costs nothing (`bench refine`).
    """
    asked = request.num_inference_steps
    fewer = [steps for steps in reversed(limits.num_inference_steps) if 1 < steps < asked]
    at_full_size = [replace(request, num_inference_steps=steps) for steps in fewer or [asked]]
    return at_full_size + [
        replace(at_full_size[-1], width=width, height=height)
        for width, height in _smaller(limits, *limits.nearest_size(request.width, request.height))
    ]


def choose(
    request: GenerationRequest, limits: Limits, budget: float, forecast: Forecaster
) -> GenerationRequest | None:
    """The draft to paint for somebody who is typing; None: the asked picture itself.

    The asked picture where it comes within the budget, or where it is not known when it comes; else
    the best draft that does; where none does, the one that comes first, if before the picture.

    Args:
        budget: seconds from now to the picture; 0: never a draft.
    """
    asked = forecast(request, False) if budget > 0 else None
    if asked is None or _seconds(asked) <= budget:
        return None
    quickest, least = None, _seconds(asked)
    for draft in drafts(request, limits):
        expected = forecast(draft, True)
        if expected is None:
            continue
        seconds = _seconds(expected)
        if seconds <= budget:
            return draft
        if seconds < least:
            quickest, least = draft, seconds
    return quickest


def _smaller(limits: Limits, width: int, height: int) -> list[tuple[int, int]]:
    shape = math.log(width / height)
    sizes = [
        size
        for size in limits.sizes
        if math.prod(size) < width * height
        and abs(math.log(size[0] / size[1]) - shape) <= SAME_SHAPE
    ]
    return sorted(sizes, key=math.prod, reverse=True)


def _seconds(forecast: Forecast) -> float:
    return forecast.wait + forecast.work
