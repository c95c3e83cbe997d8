"""Which draft somebody who is typing is painted first, if any.

One rule, from what calls cost here and now. A draft has to

* be needed: the asked picture does not come within the latency budget, and has more steps than
  `PREVIEWED`: the previews of a short run are as good, and cost nothing (`bench refine`);
* be sooner: on the screen clearly before the asked run's own preview that is as good, which comes
  after half of its steps;
* be cheap: the asked picture comes later by all that the draft takes, bringing other weights to the
  device included; that may be no more than `WORTH` of its own time;
* come while the line is short: the asked picture is then a new request, behind everybody else's.

So with few people at 8 steps, a smaller size is drafted, where the model has one: it comes sooner,
and painting half words in full would keep everybody waiting. In a crowd nothing is drafted.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from ..schemas import GenerationRequest, Limits
from .base import Forecast

PREVIEWED = 4  # steps up to which nothing is drafted
AS_GOOD = 0.5  # of the asked steps, after which a preview is as good as a draft
CLEARLY = 1.5  # times sooner than that
WORTH = 0.15  # of the asked picture's own time that a draft may delay it
SAME_SHAPE = 0.1  # largest difference of the logarithms of width / height

LONG_LINE = 4.0  # times the asked picture's own time, that a new request would wait

# (request, draft, keeps) -> how long it would take; None: not known. `keeps` says whether it takes
# the place in line of the request that it replaces, if there is one.
Forecaster = Callable[[GenerationRequest, bool, bool], Forecast | None]


def choose_draft(
    request: GenerationRequest, limits: Limits, budget: float, forecast: Forecaster
) -> GenerationRequest | None:
    """The draft to paint for somebody who is typing; None: the asked picture itself.

    Of those that are sooner and cheap, the best that comes within the budget; where none does, the
    one that comes first.

    Args:
        budget: seconds from now to the picture; 0: never a draft.
    """
    choices = drafts(request, limits) if budget > 0 else []
    asked = forecast(request, False, True) if choices else None
    if asked is None or asked.seconds <= budget:
        return None
    behind = forecast(request, False, False)
    previewed = forecast(request, True, True)  # all its steps and the preview decoder
    if previewed is None or behind is None or behind.wait > LONG_LINE * asked.work:
        return None
    as_good = previewed.wait + AS_GOOD * previewed.work
    quickest, least = None, math.inf
    for draft in choices:
        expected = forecast(draft, True, True)
        if expected is None or expected.work > WORTH * asked.work:
            continue
        if CLEARLY * expected.seconds > as_good:
            continue
        if expected.seconds <= budget:
            return draft
        if expected.seconds < least:
            quickest, least = draft, expected.seconds
    return quickest


def drafts(request: GenerationRequest, limits: Limits) -> list[GenerationRequest]:
    """What may be painted for a request by the preview decoder, the best first.

    The fewest steps at smaller trained sizes of nearly the same shape: at the same size even two of
    eight steps would delay it by a fifth. Never one step: SDXL-Lightning's 1-step UNet is
    experimental.
    """
    steps = min((n for n in limits.num_inference_steps if n > 1), default=math.inf)
    if request.num_inference_steps <= max(PREVIEWED, steps):
        return []
    size = limits.nearest_size(request.width, request.height)
    return [
        replace(request, num_inference_steps=int(steps), width=width, height=height)
        for width, height in _smaller(limits, *size)
    ]


def may_draft(limits: Limits) -> bool:
    """Whether anything of a model is ever drafted."""
    asked = GenerationRequest("", "", max(limits.num_inference_steps), 0.0, 0, *limits.sizes[0])
    return any(
        drafts(replace(asked, width=width, height=height), limits) for width, height in limits.sizes
    )


def _smaller(limits: Limits, width: int, height: int) -> list[tuple[int, int]]:
    shape = math.log(width / height)
    sizes = [
        size
        for size in limits.sizes
        if math.prod(size) < width * height
        and abs(math.log(size[0] / size[1]) - shape) <= SAME_SHAPE
    ]
    return sorted(sizes, key=math.prod, reverse=True)
