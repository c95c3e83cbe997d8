"""Draws what grows: tree, flower, mushroom."""

from __future__ import annotations

import math
from collections.abc import Callable

from .brush import WOOD, Canvas, Look, box, disc, oval
from .palette import Rgb

LEAF: Rgb = (58, 136, 62)
STEM: Rgb = (246, 232, 204)


def tree(canvas: Canvas, x: float, y: float, h: float, look: Look) -> None:
    """A crown of balls, or three tiers of a fir."""
    paint = look.paint
    box(canvas, x - 0.07 * h, y - 0.42 * h, x + 0.07 * h, y, WOOD)
    if look.form == "fir":
        for low, high, half in ((0.2, 0.56, 0.36), (0.42, 0.78, 0.3), (0.64, 1.0, 0.22)):
            tier = [(x - half * h, y - low * h), (x, y - high * h), (x + half * h, y - low * h)]
            canvas.polygon(tier, fill=paint.base)
            shade = [(x, y - low * h), (x, y - high * h), (x + look.facing * half * h, y - low * h)]
            canvas.polygon(shade, fill=paint.shade)
        return
    for dx, dy, r in ((0.2, 0.5, 0.23), (-0.2, 0.5, 0.23), (0.04, 0.7, 0.3)):
        disc(canvas, x + dx * h, y - dy * h, r * h, paint.shade)
    for dx, dy, r in ((-0.2, 0.54, 0.2), (0.12, 0.56, 0.21), (-0.04, 0.75, 0.25)):
        disc(canvas, x + dx * h, y - dy * h, r * h, paint.base)
    oval(canvas, x - 0.12 * h, y - 0.8 * h, 0.1 * h, 0.08 * h, paint.light)


def flower(canvas: Canvas, x: float, y: float, h: float, look: Look) -> None:
    """A daisy with six fat petals, a tulip, or a sunflower with eight; stalk and two leaves."""
    paint = look.paint
    box(canvas, x - 0.04 * h, y - 0.6 * h, x + 0.04 * h, y, LEAF)
    for side in (-1, 1):
        tip = (x + side * 0.3 * h, y - 0.36 * h)
        canvas.polygon([(x, y - 0.04 * h), (x, y - 0.2 * h), tip], fill=LEAF)
        oval(canvas, x + side * 0.16 * h, y - 0.2 * h, 0.12 * h, 0.08 * h, LEAF)
    if look.form == "tulip":
        _tulip(canvas, x, y, h, look)
        return
    petals, reach, size = (8, 0.22, 0.105) if look.form == "sunflower" else (6, 0.2, 0.135)
    cx, cy = x, y - 0.67 * h
    for tone, shift in ((paint.shade, 0.03), (paint.base, 0.0)):
        for step in range(petals):
            angle = 2 * math.pi / petals * (step + 0.5)
            px = cx + reach * h * math.cos(angle)
            disc(canvas, px, cy + (reach * math.sin(angle) + shift) * h, size * h, tone)
    yellow = paint.base[0] > 230 and paint.base[1] > 190 and paint.base[2] < 120
    disc(canvas, cx, cy, 0.12 * h, (120, 78, 40) if yellow else (255, 214, 80))


def _tulip(canvas: Canvas, x: float, y: float, h: float, look: Look) -> None:
    paint = look.paint
    oval(canvas, x, y - 0.66 * h, 0.26 * h, 0.22 * h, paint.base)
    for dx, tone in ((-0.26, paint.base), (0.26, paint.shade)):
        tip = (x + dx * h, y - 0.98 * h)
        canvas.polygon(
            [tip, (x + dx * h, y - 0.66 * h), (x - 0.3 * dx * h, y - 0.62 * h)], fill=tone
        )
    petal = [(x - 0.17 * h, y - 0.66 * h), (x, y - h), (x + 0.17 * h, y - 0.66 * h)]
    canvas.polygon(petal, fill=paint.light)
    oval(canvas, x, y - 0.62 * h, 0.17 * h, 0.16 * h, paint.base)


def mushroom(canvas: Canvas, x: float, y: float, h: float, look: Look) -> None:
    """A thick stem under a dotted dome."""
    paint = look.paint
    box(canvas, x - 0.14 * h, y - 0.56 * h, x + 0.14 * h, y - 0.06 * h, STEM)
    oval(canvas, x, y - 0.09 * h, 0.19 * h, 0.09 * h, STEM)
    rim, half, rise = y - 0.46 * h, 0.46, 0.52
    canvas.chord(
        (x - half * h, rim - rise * h, x + half * h, rim + rise * h), 180, 360, fill=paint.base
    )
    oval(canvas, x, rim, half * h, 0.09 * h, paint.shade)
    dot = paint.shade if sum(paint.base) > 690 else (252, 248, 238)
    for dx, dy, r in ((-0.22, 0.62, 0.075), (0.05, 0.76, 0.085), (0.25, 0.58, 0.065)):
        disc(canvas, x + dx * look.facing * h * half / 0.48, y - dy * h, r * h, dot)


DRAW: dict[str, Callable[[Canvas, float, float, float, Look], None]] = {
    "tree": tree,
    "flower": flower,
    "mushroom": mushroom,
}
WIDTH = {"tree": 0.88, "flower": 0.68, "mushroom": 1.08}
HEIGHT = {"tree": 1.14, "flower": 1.08, "mushroom": 0.98}
