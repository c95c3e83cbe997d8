"""Draws what carries people over land and water: boat, car, train."""

from __future__ import annotations

from collections.abc import Callable

from .brush import TYRE, WOOD, Canvas, Look, Point, box, disc, oval
from .palette import Rgb

STEEL: Rgb = (206, 208, 216)


def boat(canvas: Canvas, x: float, y: float, h: float, look: Look) -> None:
    """A hull with two sails, or with a cabin and a funnel."""
    paint, s = look.paint, look.facing
    hull = [
        (x - s * 0.5 * h, y - 0.26 * h),
        (x + s * 0.54 * h, y - 0.28 * h),
        (x + s * 0.34 * h, y),
        (x - s * 0.36 * h, y),
    ]
    if look.form == "steamboat":
        box(canvas, x - 0.34 * h, y - 0.5 * h, x + 0.3 * h, y - 0.24 * h, paint.light)
        box(canvas, x - s * 0.14 * h, y - 0.9 * h, x + s * 0.1 * h, y - 0.48 * h, paint.base)
        box(canvas, x - s * 0.16 * h, y - 0.9 * h, x + s * 0.12 * h, y - 0.78 * h, paint.dark)
        for dx in (-0.2, 0.0, 0.2):
            disc(canvas, x + (dx - 0.02) * h, y - 0.38 * h, 0.06 * h, look.glass)
    else:
        box(canvas, x - 0.03 * h, y - h, x + 0.03 * h, y - 0.2 * h, WOOD)
        sail = [(x + s * 0.05 * h, y - 0.98 * h), (x + s * 0.48 * h, y - 0.34 * h)]
        canvas.polygon([*sail, (x + s * 0.05 * h, y - 0.34 * h)], fill=paint.base)
        other = [(x - s * 0.05 * h, y - 0.88 * h), (x - s * 0.4 * h, y - 0.34 * h)]
        canvas.polygon([*other, (x - s * 0.05 * h, y - 0.34 * h)], fill=paint.light)
    canvas.polygon(hull, fill=paint.shade)
    box(canvas, x - 0.48 * h, y - 0.3 * h, x + 0.48 * h, y - 0.21 * h, paint.base)


_CABINS: dict[str, tuple[tuple[Point, ...], tuple[tuple[float, float, float, float], ...]]] = {
    "": (
        ((-0.5, 0.5), (-0.34, 0.98), (0.2, 0.98), (0.46, 0.5)),
        ((-0.4, -0.1, 0.1, 0.0), (0.0, 0.34, 0.0, 0.14)),
    ),
    "van": (
        ((-0.74, 0.5), (-0.74, 1.06), (0.36, 1.06), (0.6, 0.5)),
        ((-0.62, -0.2, 0.0, 0.0), (-0.08, 0.44, 0.0, 0.14)),
    ),
    "truck": (((-0.12, 0.5), (-0.08, 1.0), (0.3, 1.0), (0.5, 0.5)), ((0.0, 0.38, 0.0, 0.12),)),
}  # outlines, and panes: left, right, lean and tail


def car(canvas: Canvas, x: float, y: float, h: float, look: Look) -> None:
    """Round-backed, a van, or a pickup; wheels large."""
    paint, s = look.paint, look.facing
    cabin, panes = _CABINS[look.form]
    canvas.polygon([(x + s * dx * h, y - dy * h) for dx, dy in cabin], fill=paint.base)
    for left, right, lean, tail in panes:
        pane = ((left, 0.54), (left + lean, 0.86), (right - tail, 0.86), (right, 0.54))
        canvas.polygon([(x + s * dx * h, y - dy * h) for dx, dy in pane], fill=look.glass)
    body = (x - 0.76 * h, y - 0.58 * h, x + 0.76 * h, y - 0.16 * h)
    canvas.rounded_rectangle(body, 0.14 * h, fill=paint.base)
    box(canvas, x - 0.72 * h, y - 0.3 * h, x + 0.72 * h, y - 0.18 * h, paint.shade)
    oval(canvas, x + s * 0.68 * h, y - 0.42 * h, 0.07 * h, 0.08 * h, (255, 240, 170))
    for dx in (-0.42, 0.42):
        disc(canvas, x + dx * h, y - 0.21 * h, 0.21 * h, TYRE)
        disc(canvas, x + dx * h, y - 0.21 * h, 0.1 * h, STEEL)


def train(canvas: Canvas, x: float, y: float, h: float, look: Look) -> None:
    """A steam engine, or a short tram."""
    if look.form == "tram":
        _tram(canvas, x, y, h, look)
        return
    paint, s = look.paint, look.facing
    box(canvas, x - s * 0.6 * h, y - 0.86 * h, x - s * 0.12 * h, y - 0.22 * h, paint.base)
    box(canvas, x - s * 0.68 * h, y - 0.98 * h, x - s * 0.04 * h, y - 0.84 * h, paint.dark)
    box(canvas, x - s * 0.48 * h, y - 0.76 * h, x - s * 0.24 * h, y - 0.52 * h, look.glass)
    box(canvas, x - s * 0.14 * h, y - 0.6 * h, x + s * 0.52 * h, y - 0.22 * h, paint.base)
    oval(canvas, x + s * 0.52 * h, y - 0.41 * h, 0.1 * h, 0.19 * h, paint.light)
    box(canvas, x + s * 0.26 * h, y - 0.94 * h, x + s * 0.42 * h, y - 0.58 * h, paint.shade)
    box(canvas, x + s * 0.2 * h, y - h, x + s * 0.48 * h, y - 0.88 * h, paint.dark)
    box(canvas, x - 0.6 * h, y - 0.28 * h, x + 0.62 * h, y - 0.18 * h, paint.shade)
    plough = [(x + s * 0.54 * h, y - 0.22 * h), (x + s * 0.76 * h, y), (x + s * 0.5 * h, y)]
    canvas.polygon(plough, fill=paint.dark)
    for dx, r in ((-0.36, 0.19), (0.06, 0.15), (0.38, 0.15)):
        disc(canvas, x + s * dx * h, y - r * h, r * h, TYRE)
        disc(canvas, x + s * dx * h, y - r * h, 0.5 * r * h, STEEL)


def _tram(canvas: Canvas, x: float, y: float, h: float, look: Look) -> None:
    paint, s = look.paint, look.facing
    shell = (x - 0.86 * h, y - 0.9 * h, x + 0.86 * h, y - 0.18 * h)
    canvas.rounded_rectangle(shell, 0.18 * h, fill=paint.base)
    box(canvas, x - 0.78 * h, y - h, x + 0.78 * h, y - 0.86 * h, paint.dark)
    box(canvas, x - 0.86 * h, y - 0.4 * h, x + 0.86 * h, y - 0.28 * h, paint.light)
    for dx in (-0.58, -0.2, 0.18):
        box(
            canvas,
            x + s * (dx - 0.13) * h,
            y - 0.76 * h,
            x + s * (dx + 0.13) * h,
            y - 0.5 * h,
            look.glass,
        )
    front = ((0.44, 0.76), (0.44, 0.48), (0.84, 0.48), (0.76, 0.76))
    canvas.polygon([(x + s * dx * h, y - dy * h) for dx, dy in front], fill=look.glass)
    for dx in (-0.58, -0.24, 0.24, 0.58):
        disc(canvas, x + dx * h, y - 0.13 * h, 0.13 * h, TYRE)


DRAW: dict[str, Callable[[Canvas, float, float, float, Look], None]] = {
    "boat": boat,
    "car": car,
    "train": train,
}
WIDTH = {"boat": 1.08, "car": 1.56, "train": 1.9}
HEIGHT = {"boat": 1.08, "car": 0.72, "train": 0.74}
