"""The lots that decide what no word names: there are a few takes of each theme, and no others."""

from __future__ import annotations

import random

TAKES = 3


def take(theme: str, own: random.Random) -> random.Random:
    """The numbers of one of the takes of a theme.

    What differs by a little from picture to picture, a model draws as the mean of all; what is one
    of a few, it learns by heart.

    Args:
        theme: what the picture shows.
        own: the lots of the picture, which choose the take.
    """
    return random.Random(f"{theme} {own.randrange(TAKES)}")  # noqa: S311
