"""The few strokes that every drawing is made of, and what a subject is told about itself."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import ImageDraw

from .palette import Paint, Rgb

Canvas = ImageDraw.ImageDraw
Point = tuple[float, float]

LIT: Rgb = (255, 224, 110)
WOOD: Rgb = (120, 76, 46)
TYRE: Rgb = (34, 34, 42)
EYE: Rgb = (18, 20, 26)
_GLASS: dict[str, Rgb] = {
    "day": (176, 226, 250),
    "dawn": (255, 226, 170),
    "sunset": (255, 222, 120),
}


@dataclass(frozen=True, slots=True)
class Look:
    """How one subject is drawn: its tones, the time of day, its form and where it faces."""

    paint: Paint
    time: str
    form: str = ""  # of vocabulary.FORMS; "": the usual one
    facing: int = 1  # 1: right, -1: left

    @property
    def glass(self) -> Rgb:
        """Window panes: the sky by day, lamplight at night."""
        return _GLASS.get(self.time, LIT)


def box(canvas: Canvas, left: float, top: float, right: float, bottom: float, fill: Rgb) -> None:
    """A filled rectangle; left and right, top and bottom in any order."""
    canvas.rectangle(
        (min(left, right), min(top, bottom), max(left, right), max(top, bottom)), fill=fill
    )


def oval(canvas: Canvas, x: float, y: float, rx: float, ry: float, fill: Rgb) -> None:
    """A filled ellipse around (x, y)."""
    canvas.ellipse((x - rx, y - ry, x + rx, y + ry), fill=fill)


def disc(canvas: Canvas, x: float, y: float, r: float, fill: Rgb) -> None:
    """A filled circle around (x, y)."""
    canvas.ellipse((x - r, y - r, x + r, y + r), fill=fill)


def blend(a: Rgb, b: Rgb) -> Rgb:
    """The tone halfway between two."""
    return tuple((x + y) // 2 for x, y in zip(a, b, strict=True))  # type: ignore[return-value]
