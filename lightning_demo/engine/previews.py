"""What is shown of a picture before it is finished: a preview costs everybody its decoding."""

from __future__ import annotations

from .in_flight import InFlightRequest
from .latency_model import LatencyModel

# Seconds up to which an answer seems immediate (Miller, Response time in man-computer
# conversational transactions, 1968). A slower full decoder is preceded by the preview decoder.
NOTICED = 0.1
# Seconds in which nobody sees two pictures as two: a preview that is replaced as soon would only
# delay what replaces it.
GLANCE = 0.05
# Of the time between two pictures that making the second may take, where one is shown already.
SHARE = 0.1


def shows_preview(request: InFlightRequest, *, crowded: bool) -> bool:
    """Whether a preview is worth its decoding now.

    Not while the reader has one to read, nor of a guess, nor for who looks at none. While others
    wait only the first one of a picture is, and none of a draft, which is soon done.
    """
    work = request.work
    if request.preview_unread or work.ahead or not work.previews:
        return False
    return not crowded or (request.step == 1 and not work.draft)


def is_seen(request: InFlightRequest, model: LatencyModel) -> bool:
    """Whether a preview is worth what it costs: it is looked at for a moment before the next one.

    The first always: it is the answer to a key. Later ones delay the picture that stays, and so may
    take a small share of the time that it does; steps and previews are as slow as the machine.
    """
    if not request.shown:
        return True
    size = request.size
    step = model.seconds("step", size, request.rows, chunks=request.chunks)
    since = (request.step - request.shown) * step
    left = request.steps_left * step + model.seconds(request.decoder, size, 1)
    cost = model.seconds("preview", size, 1)
    return min(since, left) >= max(GLANCE, cost / SHARE)


def decodes_slowly(request: InFlightRequest, model: LatencyModel) -> bool:
    """Whether its reader would notice the wait for the full decoder, and another is quicker."""
    full, quick = (model.calibrated(kind, request.size, 1) for kind in ("decoder", "preview"))
    return full > NOTICED and quick < full / 2
