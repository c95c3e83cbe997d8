"""What a picture's settings became where the model could not take them as they were."""

from __future__ import annotations

from ...schemas import NEGATIVE_UNUSED
from .step import Row


def notes(row: Row, scale: int) -> tuple[str, ...]:
    """What the user should know about how the request was read.

    Args:
        scale: px of the picture for one latent.
    """
    found = []
    request = row.request
    height, width = (scale * side for side in row.latents.shape[2:])
    if (width, height) != (request.width, request.height):
        found.append(
            f"{request.width} × {request.height} is not a size this model was trained "
            f"at: the picture is {width} × {height}, the nearest one."
        )
    if row.prompt.token_limit is not None:
        found.append(
            f"The prompt is long: only its first {row.prompt.token_limit} tokens were read."
        )
    if request.negative_prompt and row.negative is None:
        found.append(NEGATIVE_UNUSED)
    return tuple(found)
