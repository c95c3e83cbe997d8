"""Where one player paints: words go to wall and engine, the engine's pictures back to the wall."""

from __future__ import annotations

from ....schemas import Frame, GenerationRequest
from ...live_connection import LiveConnection
from ..audience.clean import PROMPT_CHARACTERS, clean, visible
from . import views
from .ring import Ring
from .sides import Side
from .target import Target


class Easel:
    """Paints on the player's own live connection, the way every phone does."""

    def __init__(self, ring: Ring, connection: LiveConnection) -> None:
        self._ring, self._connection = ring, connection
        self._asked: GenerationRequest | None = None
        self._target: Target | None = None  # as last sent to the player

    def type(self, side: Side, sequence: int, text: str) -> None:
        """The player's words as they stand in the box.

        What may not be shown changes nothing: the last clean words stay, and are painted on.

        Raises:
            LightningError: they may not be shown, or not now, or cannot be painted.
        """
        prompt = clean(text, PROMPT_CHARACTERS)
        if not visible(prompt):
            prompt = ""
        request = self._ring.type(side, prompt)
        self._asked = request
        if request is not None:
            fields = {"prompt": prompt, "seed": request.seed}
            self._connection.submit(sequence, fields)

    def painted(self, side: Side | None, frame: Frame) -> None:
        """A picture is on its way to the player."""
        asked = self._asked
        if side is not None and asked is not None and frame.request.seed == asked.seed:
            self._ring.painted(side, frame)

    def show_target(self, side: Side | None) -> None:
        """Sends the player the target, or that there is none any more, when that is new."""
        target = views.shown_target(self._ring) if side is not None else None
        if target is not self._target:
            self._target = target
            picture = "" if target is None else target.small
            self._connection.outbox.put({"type": "target", "picture": picture})
