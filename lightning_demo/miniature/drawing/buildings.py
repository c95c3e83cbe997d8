"""Draws what people build to live in or to see by: house, castle, lighthouse."""

from __future__ import annotations

from collections.abc import Callable

from .brush import LIT, Canvas, Look, blend, box, disc
from .palette import Rgb


def house(canvas: Canvas, x: float, y: float, h: float, look: Look) -> None:
    """A gable cottage, a tall town house or a wide farmhouse; roof in the dark tone."""
    paint, s = look.paint, look.facing
    half, wall = ((0.42, 0.56), (0.32, 0.66), (0.52, 0.5))[look.variant]
    w, top = half * h, y - wall * h
    box(canvas, x + s * 0.45 * w, y - 0.97 * h, x + s * 0.75 * w, top, paint.shade)
    box(canvas, x - w, top, x + w, y, paint.base)
    box(canvas, x + s * 0.55 * w, top, x + s * w, y, paint.shade)
    eaves = 1.26 * w
    peak = x - (0.3 * w * s if look.variant == 2 else 0)
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
    """Two towers with a wall between; pointed roofs, battlements, or one great keep."""
    paint = look.paint
    if look.variant == 2:
        _keep(canvas, x, y, h, look)
        return
    box(canvas, x - 0.34 * h, y - 0.5 * h, x + 0.34 * h, y, paint.base)
    _battlements(canvas, x - 0.24 * h, x + 0.24 * h, y - 0.5 * h, 0.1 * h, 3, paint.base)
    for side in (-1, 1):
        middle = x + side * 0.36 * h
        tall = 0.66 if look.variant == 0 else 0.74
        box(canvas, middle - 0.15 * h, y - tall * h, middle + 0.15 * h, y, paint.shade)
        if look.variant == 1:
            low, top = middle - 0.19 * h, y - tall * h
            box(canvas, low, top - 0.1 * h, low + 0.38 * h, top, paint.base)
            _battlements(canvas, low, low + 0.38 * h, top - 0.1 * h, 0.1 * h, 3, paint.base)
        else:
            top = y - tall * h
            roof = [(middle - 0.21 * h, top), (middle, y - h), (middle + 0.21 * h, top)]
            canvas.polygon(roof, fill=paint.dark)
        box(canvas, middle - 0.05 * h, y - 0.56 * h, middle + 0.05 * h, y - 0.4 * h, look.glass)
    _gate(canvas, x, y, h, look)


def _keep(canvas: Canvas, x: float, y: float, h: float, look: Look) -> None:
    paint, s = look.paint, look.facing
    box(canvas, x - 0.48 * h, y - 0.42 * h, x + 0.48 * h, y, paint.shade)
    _battlements(canvas, x - 0.48 * h, x + 0.48 * h, y - 0.42 * h, 0.09 * h, 5, paint.shade)
    box(canvas, x - 0.24 * h, y - 0.82 * h, x + 0.24 * h, y, paint.base)
    _battlements(canvas, x - 0.28 * h, x + 0.28 * h, y - 0.82 * h, 0.1 * h, 3, paint.base)
    flag = [(x, y - h), (x + s * 0.2 * h, y - 0.93 * h), (x, y - 0.86 * h)]
    canvas.polygon(flag, fill=paint.light)
    for side in (-1, 1):
        middle = x + side * 0.11 * h
        box(canvas, middle - 0.05 * h, y - 0.66 * h, middle + 0.05 * h, y - 0.5 * h, look.glass)
    _gate(canvas, x, y, h, look)


def _battlements(
    canvas: Canvas, left: float, right: float, y: float, size: float, count: int, fill: Rgb
) -> None:
    pitch = (right - left) / (2 * count - 1)
    for number in range(count):
        start = left + 2 * number * pitch
        box(canvas, start, y - size, start + pitch, y + 1, fill)


def _gate(canvas: Canvas, x: float, y: float, h: float, look: Look) -> None:
    disc(canvas, x, y - 0.2 * h, 0.11 * h, look.paint.dark)
    box(canvas, x - 0.11 * h, y - 0.2 * h, x + 0.11 * h, y, look.paint.dark)


def lighthouse(canvas: Canvas, x: float, y: float, h: float, look: Look) -> None:
    """A tapering tower with pale bands, a lit lantern and a cap; slim, stout or with a hut."""
    paint, s = look.paint, look.facing
    foot, neck = ((0.19, 0.12), (0.25, 0.16), (0.18, 0.12))[look.variant]
    top = y - 0.7 * h
    if look.variant == 2:
        box(canvas, x, y - 0.24 * h, x + s * 0.42 * h, y, paint.shade)
        roof = [
            (x, y - 0.22 * h),
            (x + s * 0.24 * h, y - 0.4 * h),
            (x + s * 0.47 * h, y - 0.22 * h),
        ]
        canvas.polygon(roof, fill=paint.dark)
    _tower(canvas, x, y, foot * h, neck * h, 0.0, 1.0, top, paint.base)
    bands = ((0.2, 0.38), (0.6, 0.78)) if look.variant != 1 else ((0.36, 0.62),)
    for low, high in bands:
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
