"""Horizontal bars as PNG or SVG, drawn from one list of shapes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from PIL import Image, ImageDraw, ImageFont

from ..errors import InvalidSetting

SUFFIXES = (".png", ".svg")
WIDTH, MARGIN, LINE, BAR = 860, 20, 34, 20  # px
LABELS, VALUES = 210, 130  # px left and right of the bars
PAPER, INK, PALE = "#ffffff", "#1f2328", "#59636e"
OURS, PEER = "#1f6feb", "#b6bec9"
FONT = 15  # px
SCALE = 2  # of a PNG, for sharp letters


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its length is its value."""

    label: str
    value: float
    text: str  # beside it
    peer: bool = False


@dataclass(frozen=True, slots=True)
class _Box:
    x: float
    y: float
    width: float
    height: float
    colour: str


@dataclass(frozen=True, slots=True)
class _Text:
    x: float
    y: float  # of the middle
    text: str
    colour: str


def check_suffix(path: Path) -> None:
    """Before anything is measured for nothing.

    Raises:
        InvalidSetting: the file is to be neither a PNG nor an SVG.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise InvalidSetting(f"plot: {path.name} must end in {' or '.join(SUFFIXES)}.")


def draw(path: Path, title: str, bars: Sequence[Bar]) -> None:
    """Writes the chart; the file's ending says how.

    Raises:
        InvalidSetting: it ends in neither .png nor .svg.
    """
    check_suffix(path)
    height = 2 * MARGIN + LINE * (len(bars) + 1)
    shapes = _shapes(title, bars)
    if path.suffix.lower() == ".svg":
        path.write_text(_svg(shapes, height), encoding="utf-8")
    else:
        _png(shapes, height).save(path, optimize=True)


def _shapes(title: str, bars: Sequence[Bar]) -> list[_Box | _Text]:
    shapes: list[_Box | _Text] = [_Text(MARGIN, MARGIN + LINE / 2 - 4, title, INK)]
    room = WIDTH - 2 * MARGIN - LABELS - VALUES
    longest = max((bar.value for bar in bars), default=1.0) or 1.0
    for index, bar in enumerate(bars, start=1):
        top = MARGIN + index * LINE
        length = max(2.0, room * bar.value / longest)
        shapes.append(_Text(MARGIN, top + BAR / 2, bar.label, INK))
        shapes.append(_Box(MARGIN + LABELS, top, length, BAR, PEER if bar.peer else OURS))
        shapes.append(_Text(MARGIN + LABELS + length + 8, top + BAR / 2, bar.text, PALE))
    return shapes


def _svg(shapes: Sequence[_Box | _Text], height: int) -> str:
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="{FONT}">',
        f'<rect width="{WIDTH}" height="{height}" fill="{PAPER}"/>',
    ]
    for shape in shapes:
        if isinstance(shape, _Box):
            lines.append(
                f'<rect x="{shape.x}" y="{shape.y}" width="{shape.width:.1f}" '
                f'height="{shape.height}" rx="3" fill="{shape.colour}"/>'
            )
        else:
            lines.append(
                f'<text x="{shape.x:.1f}" y="{shape.y}" dominant-baseline="central" '
                f'xml:space="preserve" fill="{shape.colour}">{escape(shape.text)}</text>'
            )
    return "\n".join([*lines, "</svg>"]) + "\n"


def _png(shapes: Sequence[_Box | _Text], height: int) -> Image.Image:
    image = Image.new("RGB", (WIDTH * SCALE, height * SCALE), PAPER)
    pen = ImageDraw.Draw(image)
    font = ImageFont.load_default(FONT * SCALE)
    for shape in shapes:
        x, y = shape.x * SCALE, shape.y * SCALE
        if isinstance(shape, _Box):
            corner = (x + shape.width * SCALE, y + shape.height * SCALE)
            pen.rounded_rectangle(((x, y), corner), 3 * SCALE, fill=shape.colour)
        else:
            pen.text((x, y), shape.text, fill=shape.colour, font=font, anchor="lm")
    return image
