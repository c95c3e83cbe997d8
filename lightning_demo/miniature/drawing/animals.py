"""Draws animals: cat, dog, bird, fish. All have large eyes: a face is seen first."""

from __future__ import annotations

from collections.abc import Callable

from .brush import EYE, Canvas, Look, box, disc, oval
from .palette import Rgb

IRIS: Rgb = (252, 250, 222)
NOSE: Rgb = (226, 96, 112)
BEAK: Rgb = (255, 176, 46)
DARK_BEAK: Rgb = (96, 66, 44)


def _eyes(canvas: Canvas, x: float, y: float, apart: float, size: float) -> None:
    """Two large eyes; the pale ring keeps them on a dark face."""
    for side in (-1, 1):
        oval(canvas, x + side * apart, y, size, 1.12 * size, IRIS)
        oval(canvas, x + side * apart, y, 0.56 * size, 0.85 * size, EYE)


def cat(canvas: Canvas, x: float, y: float, h: float, look: Look) -> None:
    """Sitting with the tail up; or standing with the tail high, or sleeping; pointed ears."""
    paint, s = look.paint, look.facing
    if not look.form:
        tail = (x + s * 0.08 * h, y - 0.46 * h, x + s * 0.5 * h, y - 0.02 * h)
        box_ = (min(tail[0], tail[2]), tail[1], max(tail[0], tail[2]), tail[3])
        canvas.arc(box_, -70 if s > 0 else 70, 110 if s > 0 else 250, paint.shade, round(0.11 * h))
        oval(canvas, x, y - 0.22 * h, 0.27 * h, 0.23 * h, paint.base)
        box(canvas, x - 0.2 * h, y - 0.2 * h, x + 0.2 * h, y, paint.base)
        oval(canvas, x, y - 0.16 * h, 0.13 * h, 0.15 * h, paint.light)
        _cat_head(canvas, x, y - 0.63 * h, h, look)
    elif look.form == "standing cat":
        back = x - s * 0.42 * h
        box(canvas, back - 0.055 * h, y - 0.86 * h, back + 0.055 * h, y - 0.34 * h, paint.shade)
        disc(canvas, back, y - 0.86 * h, 0.055 * h, paint.shade)
        for dx in (-0.36, -0.16, 0.14, 0.3):
            box(canvas, x + (dx - 0.055) * h, y - 0.26 * h, x + (dx + 0.055) * h, y, paint.shade)
        oval(canvas, x - s * 0.06 * h, y - 0.36 * h, 0.42 * h, 0.2 * h, paint.base)
        _cat_head(canvas, x + s * 0.28 * h, y - 0.62 * h, 0.9 * h, look)
    else:
        oval(canvas, x, y - 0.25 * h, 0.52 * h, 0.25 * h, paint.base)
        oval(canvas, x - s * 0.12 * h, y - 0.08 * h, 0.36 * h, 0.08 * h, paint.shade)
        _cat_head(canvas, x + s * 0.22 * h, y - 0.5 * h, h, look)


def _cat_head(canvas: Canvas, x: float, y: float, h: float, look: Look) -> None:
    paint = look.paint
    for side in (-1, 1):
        ear = [(x + side * 0.35 * h, y + 0.02 * h), (x + side * 0.31 * h, y - 0.37 * h)]
        canvas.polygon([*ear, (x + side * 0.04 * h, y - 0.2 * h)], fill=paint.base)
        inner = [(x + side * 0.27 * h, y - 0.12 * h), (x + side * 0.27 * h, y - 0.28 * h)]
        canvas.polygon([*inner, (x + side * 0.13 * h, y - 0.18 * h)], fill=paint.shade)
    oval(canvas, x, y, 0.36 * h, 0.27 * h, paint.base)
    _eyes(canvas, x, y - 0.02 * h, 0.155 * h, 0.105 * h)
    nose = [(x - 0.06 * h, y + 0.11 * h), (x + 0.06 * h, y + 0.11 * h), (x, y + 0.18 * h)]
    canvas.polygon(nose, fill=NOSE)


def dog(canvas: Canvas, x: float, y: float, h: float, look: Look) -> None:
    """Sitting, or standing in profile; drooping ears and a muzzle."""
    paint, s = look.paint, look.facing
    if look.form == "standing dog":
        tail = [(x - s * 0.4 * h, y - 0.46 * h), (x - s * 0.62 * h, y - 0.72 * h)]
        canvas.line(tail, fill=paint.shade, width=round(0.1 * h))
        for dx in (-0.36, -0.2, 0.16, 0.32):
            box(canvas, x + (dx - 0.06) * h, y - 0.3 * h, x + (dx + 0.06) * h, y, paint.shade)
        canvas.rounded_rectangle(
            (x - 0.46 * h, y - 0.56 * h, x + 0.44 * h, y - 0.22 * h), 0.16 * h, fill=paint.base
        )
        _dog_head(canvas, x + s * 0.38 * h, y - 0.68 * h, 0.86 * h, look)
        return
    tail = [(x - s * 0.16 * h, y - 0.08 * h), (x - s * 0.46 * h, y - 0.3 * h)]
    canvas.line(tail, fill=paint.shade, width=round(0.11 * h))
    oval(canvas, x, y - 0.24 * h, 0.26 * h, 0.26 * h, paint.base)
    box(canvas, x - 0.2 * h, y - 0.24 * h, x + 0.2 * h, y, paint.base)
    oval(canvas, x, y - 0.2 * h, 0.13 * h, 0.16 * h, paint.light)
    _dog_head(canvas, x, y - 0.68 * h, h, look)


def _dog_head(canvas: Canvas, x: float, y: float, h: float, look: Look) -> None:
    paint = look.paint
    oval(canvas, x, y, 0.28 * h, 0.28 * h, paint.base)
    for side in (-1, 1):
        oval(canvas, x + side * 0.3 * h, y + 0.04 * h, 0.105 * h, 0.25 * h, paint.dark)
    _eyes(canvas, x, y - 0.07 * h, 0.115 * h, 0.08 * h)
    muzzle = paint.shade if sum(paint.base) > 690 else paint.light
    oval(canvas, x, y + 0.14 * h, 0.17 * h, 0.135 * h, muzzle)
    oval(canvas, x, y + 0.07 * h, 0.085 * h, 0.06 * h, EYE)
    oval(canvas, x, y + 0.24 * h, 0.055 * h, 0.06 * h, NOSE)


def bird(canvas: Canvas, x: float, y: float, h: float, look: Look) -> None:
    """In the air with a wing raised; or an owl, round with short wings."""
    paint, s = look.paint, look.facing
    beak = DARK_BEAK if paint.base[0] > 220 and 100 < paint.base[1] < 225 else BEAK
    if look.form == "owl":
        oval(canvas, x, y - 0.46 * h, 0.42 * h, 0.46 * h, paint.base)
        oval(canvas, x, y - 0.28 * h, 0.26 * h, 0.26 * h, paint.light)
        for side in (-1, 1):
            wing = [(x + side * 0.3 * h, y - 0.62 * h), (x + side * 0.66 * h, y - 0.82 * h)]
            canvas.polygon([*wing, (x + side * 0.36 * h, y - 0.28 * h)], fill=paint.shade)
        _eyes(canvas, x, y - 0.62 * h, 0.17 * h, 0.12 * h)
        tip = [(x - 0.11 * h, y - 0.52 * h), (x + 0.11 * h, y - 0.52 * h), (x, y - 0.34 * h)]
        canvas.polygon(tip, fill=beak)
        return
    tail = [(x - s * 0.3 * h, y - 0.34 * h), (x - s * 0.74 * h, y - 0.52 * h)]
    canvas.polygon([*tail, (x - s * 0.7 * h, y - 0.2 * h)], fill=paint.shade)
    oval(canvas, x, y - 0.32 * h, 0.46 * h, 0.3 * h, paint.base)
    oval(canvas, x + s * 0.06 * h, y - 0.17 * h, 0.3 * h, 0.13 * h, paint.light)
    head = (x + s * 0.42 * h, y - 0.54 * h)
    tip = [
        (head[0] + s * 0.2 * h, head[1] - 0.07 * h),
        (head[0] + s * 0.48 * h, head[1] + 0.07 * h),
    ]
    canvas.polygon([*tip, (head[0] + s * 0.12 * h, head[1] + 0.12 * h)], fill=beak)
    disc(canvas, *head, 0.26 * h, paint.base)
    disc(canvas, head[0] + s * 0.07 * h, head[1] - 0.04 * h, 0.12 * h, IRIS)
    disc(canvas, head[0] + s * 0.09 * h, head[1] - 0.04 * h, 0.075 * h, EYE)
    wing = [(x + s * 0.16 * h, y - 0.4 * h), (x - s * 0.36 * h, y - h)]
    canvas.polygon([*wing, (x - s * 0.34 * h, y - 0.32 * h)], fill=paint.shade)


def fish(canvas: Canvas, x: float, y: float, h: float, look: Look) -> None:
    """In the air as if leaping."""
    paint, s = look.paint, look.facing
    rx, ry, spread = 0.5, 0.4, 0.34
    cy = y - 0.48 * h
    tail = [
        (x - s * (rx - 0.12) * h, cy),
        (x - s * (rx + 0.32) * h, cy - spread * h),
        (x - s * (rx + 0.18) * h, cy),
        (x - s * (rx + 0.32) * h, cy + spread * h),
    ]
    canvas.polygon(tail, fill=paint.shade)
    fin = [(x - s * 0.22 * h, cy - 0.7 * ry * h), (x - s * 0.1 * h, cy - (ry + 0.12) * h)]
    canvas.polygon([*fin, (x + s * 0.2 * h, cy - 0.8 * ry * h)], fill=paint.shade)
    oval(canvas, x, cy, rx * h, ry * h, paint.base)
    oval(canvas, x + s * 0.02 * h, cy + 0.5 * ry * h, 0.66 * rx * h, 0.36 * ry * h, paint.light)
    side = [(x - s * 0.02 * h, cy - 0.02 * h), (x - s * 0.28 * h, cy + 0.2 * h)]
    canvas.polygon([*side, (x - s * 0.22 * h, cy - 0.14 * h)], fill=paint.dark)
    eye = x + s * 0.58 * rx * h
    disc(canvas, eye, cy - 0.1 * h, 0.11 * h, IRIS)
    disc(canvas, eye + s * 0.02 * h, cy - 0.1 * h, 0.065 * h, EYE)


DRAW: dict[str, Callable[[Canvas, float, float, float, Look], None]] = {
    "cat": cat,
    "dog": dog,
    "bird": bird,
    "fish": fish,
}
WIDTH = {"cat": 1.08, "dog": 1.2, "bird": 1.64, "fish": 1.72}
HEIGHT = {"cat": 0.96, "dog": 0.98, "bird": 0.76, "fish": 0.7}
