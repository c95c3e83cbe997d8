"""Boxes, words and strokes on paper, as SVG or PNG: what the charts are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from PIL import Image, ImageDraw, ImageFont

from ..errors import InvalidSetting

SUFFIXES = (".png", ".svg")
WIDTH, MARGIN = 860, 20  # px
PAPER, INK, PALE = "#ffffff", "#1f2328", "#59636e"
OURS, PEER, GRID = "#1f6feb", "#b6bec9", "#e6e9ed"
FONT = 15  # px
SCALE = 2  # of a PNG, for sharp letters


@dataclass(frozen=True, slots=True)
class Box:
    """A filled rectangle with round corners."""

    x: float
    y: float
    width: float
    height: float
    colour: str


@dataclass(frozen=True, slots=True)
class Text:
    """One line of words."""

    x: float  # of its left end
    y: float  # of its middle
    text: str
    colour: str


@dataclass(frozen=True, slots=True)
class Stroke:
    """A line through points."""

    points: tuple[tuple[float, float], ...]
    colour: str
    width: float = 1.0


@dataclass(frozen=True, slots=True)
class Dot:
    """A filled circle."""

    x: float
    y: float
    radius: float
    colour: str


Shape = Box | Text | Stroke | Dot


def check_suffix(path: Path) -> None:
    """Before anything is measured for nothing.

    Raises:
        InvalidSetting: the file is to be neither a PNG nor an SVG.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise InvalidSetting(f"plot: {path.name} must end in {' or '.join(SUFFIXES)}.")


def write(path: Path, shapes: Sequence[Shape], height: int) -> None:
    """Writes shapes on paper `WIDTH` px wide; the file's ending says how.

    Raises:
        InvalidSetting: it ends in neither .png nor .svg.
    """
    check_suffix(path)
    if path.suffix.lower() == ".svg":
        path.write_text(_svg(shapes, height), encoding="utf-8")
    else:
        _png(shapes, height).save(path, optimize=True)


def _svg(shapes: Sequence[Shape], height: int) -> str:
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="{FONT}">',
        f'<rect width="{WIDTH}" height="{height}" fill="{PAPER}"/>',
        *map(_svg_shape, shapes),
    ]
    return "\n".join([*lines, "</svg>"]) + "\n"


def _svg_shape(shape: Shape) -> str:
    match shape:
        case Box():
            return (
                f'<rect x="{shape.x}" y="{shape.y}" width="{shape.width:.1f}" '
                f'height="{shape.height}" rx="3" fill="{shape.colour}"/>'
            )
        case Text():
            return (
                f'<text x="{shape.x:.1f}" y="{shape.y}" dominant-baseline="central" '
                f'xml:space="preserve" fill="{shape.colour}">{escape(shape.text)}</text>'
            )
        case Stroke():
            points = " ".join(f"{x:.1f},{y:.1f}" for x, y in shape.points)
            return (
                f'<polyline points="{points}" fill="none" stroke="{shape.colour}" '
                f'stroke-width="{shape.width:g}" stroke-linejoin="round"/>'
            )
        case Dot():
            return (
                f'<circle cx="{shape.x:.1f}" cy="{shape.y:.1f}" r="{shape.radius:g}" '
                f'fill="{shape.colour}"/>'
            )


def _png(shapes: Sequence[Shape], height: int) -> Image.Image:
    image = Image.new("RGB", (WIDTH * SCALE, height * SCALE), PAPER)
    pen = ImageDraw.Draw(image)
    font = ImageFont.load_default(FONT * SCALE)
    for shape in shapes:
        match shape:
            case Box():
                x, y = shape.x * SCALE, shape.y * SCALE
                corner = (x + shape.width * SCALE, y + shape.height * SCALE)
                pen.rounded_rectangle(((x, y), corner), 3 * SCALE, fill=shape.colour)
            case Text():
                place = (shape.x * SCALE, shape.y * SCALE)
                pen.text(place, shape.text, fill=shape.colour, font=font, anchor="lm")
            case Stroke():
                points = [(x * SCALE, y * SCALE) for x, y in shape.points]
                width = max(1, round(shape.width * SCALE))
                pen.line(points, fill=shape.colour, width=width, joint="curve")
            case Dot():
                middle = (shape.x * SCALE, shape.y * SCALE)
                pen.circle(middle, shape.radius * SCALE, fill=shape.colour)
    return image
