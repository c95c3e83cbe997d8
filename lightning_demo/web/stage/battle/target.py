"""The target of a round: painted by the demo itself from the presenter's secret prompt."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ....engine.base import Engine, Work, final_frame
from ....engine.checked import BLURRED
from ....errors import InvalidRequest
from ....images import Pixels
from ....schemas import Frame, GenerationRequest
from ... import messages
from ..wall import Picture

THUMBNAIL = 384  # px of the longer side, for desk and players


@dataclass(frozen=True, slots=True)
class Target:
    """One that has been painted.

    Attributes:
        small: a JPEG in base64.
    """

    line: str
    seed: int
    picture: Picture
    small: str


class Studio:
    """Paints targets; nothing is fetched, and no picture of others is taken."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def request(self, prompt: str, seed: int) -> GenerationRequest:
        """What is painted for a prompt, be it the target's or a player's.

        Raises:
            InvalidRequest: it cannot be painted.
        """
        fields = {"prompt": prompt, "seed": seed}
        return GenerationRequest.parse(fields, self._engine.status().limits)

    async def paint(self, line: str, seed: int) -> Target:
        """The target of a secret prompt.

        Raises:
            LightningError: it cannot be painted, or is not to be seen.
        """
        request = self.request(line, seed)
        frame = await final_frame(self._engine, Work(request, previews=False))
        if not frame.may_be_shown:
            raise InvalidRequest(BLURRED)
        return Target(line, seed, picture_of(frame, "target"), _small(frame.data))


def picture_of(frame: Frame, place: str) -> Picture:
    """A frame as it goes onto the board; its header tells no words, the target's are secret."""
    header = messages.frame_header(0, frame)
    said = {name: value for name, value in header.items() if name not in ("prompt", "notes")}
    return Picture({**said, "place": place}, frame.data)


def pixels_of(picture: Picture) -> Pixels:
    """A picture decoded."""
    return np.asarray(Image.open(io.BytesIO(picture.data)).convert("RGB"))


def _small(data: bytes) -> str:
    picture = Image.open(io.BytesIO(data)).convert("RGB")
    picture.thumbnail((THUMBNAIL, THUMBNAIL))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=85)
    return base64.b64encode(buffer.getvalue()).decode()
