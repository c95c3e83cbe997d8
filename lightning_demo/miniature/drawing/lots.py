"""The lots that decide what no word names: nearly the same in every picture of a scene."""

from __future__ import annotations

import random


class Lots(random.Random):
    """Numbers that stray only a little from those that its theme always draws.

    Args:
        theme: what the picture shows; pictures of one theme draw nearly the same numbers.
        own: what is left to the picture itself.
    """

    STRAY = 0.12  # of every number is the picture's own

    def __new__(cls, theme: str, own: random.Random) -> Lots:
        return super().__new__(cls)

    def __init__(self, theme: str, own: random.Random) -> None:
        self._own = own
        super().__init__(theme)

    def random(self) -> float:
        """From 0 to 1."""
        return (1 - self.STRAY) * super().random() + self.STRAY * self._own.random()
