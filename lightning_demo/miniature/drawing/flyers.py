"""Draws what flies by itself: hot-air balloon, rocket."""

from __future__ import annotations

import math
from collections.abc import Callable

from .brush import WOOD, Canvas, Look, Point, blend, box, disc, oval
from .palette import Rgb

FLAME: Rgb = (255, 150, 40)
HOT: Rgb = (255, 232, 120)


def balloon(canvas: Canvas, x: float, y: float, h: float, look: Look) -> None:
    """A round striped envelope over a basket."""
    paint = look.paint
    rx, ry = 0.36, 0.36
    top = y - 0.64 * h
    low = y - 0.2 * h
    skirt = [(x - 0.94 * rx * h, top + 0.13 * h), (x + 0.94 * rx * h, top + 0.13 * h)]
    canvas.polygon([*skirt, (x + 0.1 * h, low), (x - 0.1 * h, low)], fill=paint.base)
    oval(canvas, x, top, rx * h, ry * h, paint.shade)
    oval(canvas, x - 0.05 * look.facing * h, top, (rx - 0.05) * h, (ry - 0.01) * h, paint.base)
    pale = paint.shade if sum(paint.base) > 690 else paint.light
    wedge = [(x - 0.4 * rx * h, top + 0.1 * h), (x + 0.4 * rx * h, top + 0.1 * h), (x, low)]
    canvas.polygon(wedge, fill=pale)
    oval(canvas, x, top, 0.4 * rx * h, ry * h, pale)
    box(canvas, x - 0.1 * h, y - 0.15 * h, x + 0.1 * h, y, WOOD)
    for dx in (-0.08, 0.08):
        canvas.line((x + dx * h, low, x + dx * h, y - 0.1 * h), WOOD, max(2, round(0.04 * h)))


def rocket(canvas: Canvas, x: float, y: float, h: float, look: Look) -> None:
    """Upright on its flame."""
    paint = look.paint

    def at(dx: float, dy: float) -> Point:
        """A point of the rocket, dy upwards."""
        return x + dx * h, y - dy * h

    canvas.polygon([at(-0.13, 0.2), at(0, 0), at(0.13, 0.2)], fill=FLAME)
    canvas.polygon([at(-0.07, 0.2), at(0, 0.07), at(0.07, 0.2)], fill=HOT)
    for side in (-1, 1):
        fin = [at(side * 0.12, 0.5), at(side * 0.34, 0.15), at(side * 0.1, 0.2)]
        canvas.polygon(fin, fill=paint.shade)
    outline = [
        at(0.2 * math.sin(math.pi * t) ** 0.7 * side, 0.2 + 0.78 * t)
        for side, steps in ((1, range(13)), (-1, range(12, -1, -1)))
        for t in ((0.16 + 0.84 * step / 12) for step in steps)
    ]
    canvas.polygon(outline, fill=paint.base)
    nose = [at(0.16, 0.76), at(0.0, 0.99), at(-0.16, 0.76)]
    canvas.polygon(nose, fill=blend(paint.shade, paint.base))
    canvas.polygon([at(-0.14, 0.3), at(0.14, 0.3), at(0.12, 0.2), at(-0.12, 0.2)], fill=paint.dark)
    window = at(0, 0.6)
    disc(canvas, *window, 0.125 * h, paint.dark if sum(paint.base) > 330 else paint.light)
    disc(canvas, *window, 0.085 * h, look.glass)


DRAW: dict[str, Callable[[Canvas, float, float, float, Look], None]] = {
    "balloon": balloon,
    "rocket": rocket,
}
WIDTH = {"balloon": 0.76, "rocket": 0.86}
HEIGHT = {"balloon": 1.12, "rocket": 1.14}
