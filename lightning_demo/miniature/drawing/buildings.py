"""Draws what people build to live in or to see by: house, castle, lighthouse."""

from __future__ import annotations

from collections.abc import Callable

from .brush import LIT, Canvas, Look, blend, box, disc
from .palette import Rgb


def house(canvas: Canvas, x: float, y: float, h: float, look: Look) -> None:
    """A gable cottage, a tall house or a wide farmhouse; roof in the dark tone."""
    paint, s = look.paint, look.facing
    half, wall = {"tall house": (0.32, 0.66), "farmhouse": (0.52, 0.5)}.get(look.form, (0.42, 0.56))
    w, top = half * h, y - wall * h
    box(canvas, x + s * 0.45 * w, y - 0.97 * h, x + s * 0.75 * w, top, paint.shade)
    box(canvas, x - w, top, x + w, y, paint.base)
    box(canvas, x + s * 0.55 * w, top, x + s * w, y, paint.shade)
    eaves = 1.26 * w
    peak = x - (0.3 * w * s if look.form == "farmhouse" else 0)
    roof = [(x - eaves, top + 0.02 * h), (peak, y - 1.02 * h), (x + eaves, top + 0.02 * h)]
    canvas.polygon(roof, fill=paint.dark)
    canvas.polygon(
        [(x - s * eaves, top + 0.02 * h), (peak, y - 1.02 * h), (x - s * 0.2 * w, top + 0.02 * h)],
        fill=blend(paint.shade, paint.dark),
    )
    box(canvas, x - 0.1 * h, y - 0.32 * h, x + 0.1 * h, y, paint.dark)
    for side in (-1, 1):
        middle = x + side * 0.66 * w
        half_pane = min(0.09 * h, 0.26 * w)
        box(canvas, middle - half_pane, y - 0.43 * h, middle + half_pane, y - 0.24 * h, look.glass)


def castle(canvas: Canvas, x: float, y: float, h: float, look: Look) -> None:
    """Two towers with pointed roofs, and a wall with battlements between them."""
    paint = look.paint
    box(canvas, x - 0.34 * h, y - 0.5 * h, x + 0.34 * h, y, paint.base)
    _battlements(canvas, x - 0.24 * h, x + 0.24 * h, y - 0.5 * h, 0.1 * h, 3, paint.base)
    for side in (-1, 1):
        middle, top = x + side * 0.36 * h, y - 0.66 * h
        box(canvas, middle - 0.15 * h, top, middle + 0.15 * h, y, paint.shade)
        roof = [(middle - 0.21 * h, top), (middle, y - h), (middle + 0.21 * h, top)]
        canvas.polygon(roof, fill=paint.dark)
        box(canvas, middle - 0.05 * h, y - 0.56 * h, middle + 0.05 * h, y - 0.4 * h, look.glass)
    disc(canvas, x, y - 0.2 * h, 0.11 * h, paint.dark)
    box(canvas, x - 0.11 * h, y - 0.2 * h, x + 0.11 * h, y, paint.dark)


def _battlements(
    canvas: Canvas, left: float, right: float, y: float, size: float, count: int, fill: Rgb
) -> None:
    pitch = (right - left) / (2 * count - 1)
    for number in range(count):
        start = left + 2 * number * pitch
        box(canvas, start, y - size, start + pitch, y + 1, fill)


def lighthouse(canvas: Canvas, x: float, y: float, h: float, look: Look) -> None:
    """A slim tapering tower with pale bands, a lit lantern and a cap."""
    paint, foot, neck = look.paint, 0.19, 0.12
    top = y - 0.7 * h
    _tower(canvas, x, y, foot * h, neck * h, 0.0, 1.0, top, paint.base)
    for low, high in ((0.2, 0.38), (0.6, 0.78)):
        pale = paint.shade if sum(paint.base) > 690 else (250, 246, 236)
        _tower(canvas, x, y, foot * h, neck * h, low, high, top, pale)
    box(canvas, x - 1.5 * neck * h, top - 0.03 * h, x + 1.5 * neck * h, top + 0.03 * h, paint.dark)
    box(canvas, x - 0.85 * neck * h, top - 0.16 * h, x + 0.85 * neck * h, top - 0.03 * h, LIT)
    cap = [(x - 1.3 * neck * h, top - 0.15 * h), (x, y - h), (x + 1.3 * neck * h, top - 0.15 * h)]
    canvas.polygon(cap, fill=paint.dark)


def _tower(
    canvas: Canvas,
    x: float,
    y: float,
    foot: float,
    neck: float,
    low: float,
    high: float,
    top: float,
    fill: Rgb,
) -> None:
    """The part of a tapering tower between two shares of its height."""
    a, b = foot + (neck - foot) * low, foot + (neck - foot) * high
    bottom, upper = y + (top - y) * low, y + (top - y) * high
    canvas.polygon([(x - a, bottom), (x - b, upper), (x + b, upper), (x + a, bottom)], fill=fill)


DRAW: dict[str, Callable[[Canvas, float, float, float, Look], None]] = {
    "house": house,
    "castle": castle,
    "lighthouse": lighthouse,
}
WIDTH = {"house": 1.2, "castle": 1.14, "lighthouse": 0.72}
HEIGHT = {"house": 1.0, "castle": 1.06, "lighthouse": 1.24}
