"""Draws a person: a large head, and clothes in the colour."""

from __future__ import annotations

from collections.abc import Callable

from .brush import EYE, Canvas, Look, box, disc, oval
from .palette import Rgb

SKIN: Rgb = (244, 194, 154)
HAIR: Rgb = (88, 56, 40)


def person(canvas: Canvas, x: float, y: float, h: float, look: Look) -> None:
    """In shirt and trousers with an arm up, or in a wide dress."""
    paint, s = look.paint, look.facing
    head = y - 0.76 * h
    if look.form == "girl":
        dress = [(x - 0.12 * h, y - 0.56 * h), (x + 0.12 * h, y - 0.56 * h)]
        for side in (-1, 1):
            arm = [(x + side * 0.1 * h, y - 0.5 * h), (x + side * 0.33 * h, y - 0.3 * h)]
            canvas.line(arm, fill=paint.shade, width=round(0.11 * h))
            box(
                canvas,
                x + (side * 0.1 - 0.05) * h,
                y - 0.14 * h,
                x + (side * 0.1 + 0.05) * h,
                y,
                SKIN,
            )
        canvas.polygon(
            [*dress, (x + 0.36 * h, y - 0.08 * h), (x - 0.36 * h, y - 0.08 * h)], fill=paint.base
        )
        oval(canvas, x, head - 0.03 * h, 0.26 * h, 0.23 * h, HAIR)
    else:
        for side in (-1, 1):
            leg = (x + (side * 0.11 - 0.075) * h, x + (side * 0.11 + 0.075) * h)
            box(canvas, leg[0], y - 0.3 * h, leg[1], y, paint.shade)
        arm = [(x + s * 0.16 * h, y - 0.5 * h), (x + s * 0.36 * h, y - 0.72 * h)]
        canvas.line(arm, fill=paint.shade, width=round(0.12 * h))
        disc(canvas, *arm[1], 0.065 * h, SKIN)
        arm = [(x - s * 0.16 * h, y - 0.5 * h), (x - s * 0.31 * h, y - 0.26 * h)]
        canvas.line(arm, fill=paint.shade, width=round(0.12 * h))
        box(canvas, x - 0.2 * h, y - 0.57 * h, x + 0.2 * h, y - 0.26 * h, paint.base)
    disc(canvas, x, head, 0.215 * h, SKIN)
    box_ = (x - 0.23 * h, head - 0.24 * h, x + 0.23 * h, head + 0.2 * h)
    canvas.chord(box_, 185, 355, fill=HAIR)
    for side in (-1, 1):
        oval(canvas, x + side * 0.085 * h, head + 0.035 * h, 0.038 * h, 0.05 * h, EYE)
    oval(canvas, x, head + 0.13 * h, 0.055 * h, 0.03 * h, (206, 84, 84))


DRAW: dict[str, Callable[[Canvas, float, float, float, Look], None]] = {"person": person}
WIDTH = {"person": 0.82}
HEIGHT = {"person": 1.1}
