"""Draws the things of the world: bold, flat, large, without thin detail.

Every function takes a canvas, the foot point (x, y) and a height in canvas pixels. Detail below
about five pixels of the finished picture would not survive the autoencoder and is left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from PIL import ImageDraw

from .palette import Paint, Rgb

Canvas = ImageDraw.ImageDraw
Point = tuple[float, float]

GLASS = {"day": (176, 226, 250), "sunset": (255, 222, 120)}
LIT: Rgb = (255, 224, 110)
WOOD: Rgb = (120, 76, 46)
TYRE: Rgb = (34, 34, 42)


def _box(canvas: Canvas, left: float, top: float, right: float, bottom: float, fill: Rgb) -> None:
    canvas.rectangle((left, top, right, bottom), fill=fill)


def _oval(canvas: Canvas, x: float, y: float, rx: float, ry: float, fill: Rgb) -> None:
    canvas.ellipse((x - rx, y - ry, x + rx, y + ry), fill=fill)


def house(canvas: Canvas, x: float, y: float, h: float, paint: Paint, time: str) -> None:
    """Walls in the colour, a gable roof in its dark tone, a door and two windows."""
    w = 0.98 * h
    wall = y - 0.56 * h
    glass = GLASS.get(time, LIT)
    _box(canvas, x + 0.2 * w, y - 0.96 * h, x + 0.33 * w, y - 0.6 * h, paint.shade)
    _box(canvas, x - 0.42 * w, wall, x + 0.42 * w, y, paint.base)
    _box(canvas, x + 0.24 * w, wall, x + 0.42 * w, y, paint.shade)
    roof = [(x - 0.54 * w, wall + 0.02 * h), (x, y - 1.02 * h), (x + 0.54 * w, wall + 0.02 * h)]
    canvas.polygon(roof, fill=paint.dark)
    canvas.polygon([roof[0], roof[1], (x - 0.08 * w, wall + 0.02 * h)], fill=_soft(paint))
    _box(canvas, x - 0.1 * w, y - 0.34 * h, x + 0.1 * w, y, paint.dark)
    for side in (-0.28, 0.28):
        _box(canvas, x + (side - 0.1) * w, y - 0.42 * h, x + (side + 0.1) * w, y - 0.2 * h, glass)


def _soft(paint: Paint) -> Rgb:
    return tuple((a + b) // 2 for a, b in zip(paint.shade, paint.dark, strict=True))  # type: ignore[return-value]


def tree(canvas: Canvas, x: float, y: float, h: float, paint: Paint, time: str) -> None:
    """A round crown of four balls on a trunk."""
    _box(canvas, x - 0.07 * h, y - 0.42 * h, x + 0.07 * h, y, WOOD)
    for dx, dy, r in ((0.18, 0.5, 0.24), (-0.18, 0.5, 0.24), (0.05, 0.7, 0.3)):
        _oval(canvas, x + dx * h, y - dy * h, r * h, r * h, paint.shade)
    for dx, dy, r in ((-0.18, 0.54, 0.2), (0.1, 0.56, 0.21), (-0.04, 0.75, 0.25)):
        _oval(canvas, x + dx * h, y - dy * h, r * h, r * h, paint.base)
    _oval(canvas, x - 0.12 * h, y - 0.8 * h, 0.1 * h, 0.08 * h, paint.light)


def boat(canvas: Canvas, x: float, y: float, h: float, paint: Paint, time: str) -> None:
    """A hull and two sails in the colour."""
    w = 0.98 * h
    hull = [
        (x - 0.5 * w, y - 0.24 * h),
        (x + 0.5 * w, y - 0.24 * h),
        (x + 0.34 * w, y),
        (x - 0.34 * w, y),
    ]
    _box(canvas, x - 0.025 * h, y - h, x + 0.025 * h, y - 0.2 * h, WOOD)
    right = [
        (x + 0.05 * w, y - 0.98 * h),
        (x + 0.46 * w, y - 0.32 * h),
        (x + 0.05 * w, y - 0.32 * h),
    ]
    left = [
        (x - 0.05 * w, y - 0.86 * h),
        (x - 0.05 * w, y - 0.32 * h),
        (x - 0.38 * w, y - 0.32 * h),
    ]
    canvas.polygon(right, fill=paint.base)
    canvas.polygon(left, fill=paint.light)
    canvas.polygon(hull, fill=paint.shade)
    _box(canvas, x - 0.5 * w, y - 0.27 * h, x + 0.5 * w, y - 0.2 * h, paint.base)


def balloon(canvas: Canvas, x: float, y: float, h: float, paint: Paint, time: str) -> None:
    """A striped envelope over a basket; y is the basket's floor, in the air."""
    top, r = y - 0.66 * h, 0.36 * h
    skirt = [(x - 0.33 * h, top + 0.13 * h), (x + 0.33 * h, top + 0.13 * h)]
    canvas.polygon(
        [*skirt, (x + 0.1 * h, y - 0.2 * h), (x - 0.1 * h, y - 0.2 * h)], fill=paint.base
    )
    _oval(canvas, x, top, r, r, paint.shade)
    _oval(canvas, x - 0.04 * h, top, r - 0.04 * h, r - 0.01 * h, paint.base)
    canvas.polygon(
        [(x - 0.15 * h, top + 0.1 * h), (x + 0.15 * h, top + 0.1 * h), (x, y - 0.2 * h)],
        fill=paint.light,
    )
    _oval(canvas, x, top, 0.15 * h, r, paint.light)
    _box(canvas, x - 0.1 * h, y - 0.15 * h, x + 0.1 * h, y, WOOD)
    for dx in (-0.085, 0.085):
        canvas.line((x + dx * h, y - 0.22 * h, x + dx * h, y - 0.1 * h), fill=WOOD, width=3)


def flower(canvas: Canvas, x: float, y: float, h: float, paint: Paint, time: str) -> None:
    """Six fat petals on a stalk with two leaves."""
    leaf: Rgb = (58, 136, 62)
    _box(canvas, x - 0.04 * h, y - 0.55 * h, x + 0.04 * h, y, leaf)
    for side in (-1, 1):
        tip = (x + side * 0.28 * h, y - 0.3 * h)
        canvas.polygon([(x, y - 0.06 * h), (x, y - 0.22 * h), tip], fill=leaf)
        _oval(canvas, x + side * 0.16 * h, y - 0.2 * h, 0.12 * h, 0.07 * h, leaf)
    cx, cy = x, y - 0.68 * h
    for tone, shift in ((paint.shade, 0.03), (paint.base, 0.0)):
        for step in range(6):
            angle = math.pi / 3 * step + math.pi / 6
            px, py = cx + 0.2 * h * math.cos(angle), cy + (0.2 * math.sin(angle) + shift) * h
            _oval(canvas, px, py, 0.135 * h, 0.135 * h, tone)
    centre: Rgb = (120, 78, 40) if paint.base[0] > 200 and paint.base[1] > 180 else (255, 214, 80)
    _oval(canvas, cx, cy, 0.12 * h, 0.12 * h, centre)


def car(canvas: Canvas, x: float, y: float, h: float, paint: Paint, time: str) -> None:
    """A round-backed car seen from the side, wheels large."""
    w, r = 1.5 * h, 0.2 * h
    glass = GLASS.get(time, LIT)
    cabin = [
        (x - 0.34 * w, y - 0.5 * h),
        (x - 0.2 * w, y - 0.96 * h),
        (x + 0.14 * w, y - 0.96 * h),
        (x + 0.3 * w, y - 0.5 * h),
    ]
    canvas.polygon(cabin, fill=paint.base)
    for left, right in ((-0.26, -0.05), (0.01, 0.22)):
        lean = 0.06 if left < 0 else 0.0
        tail = 0.0 if left < 0 else 0.08
        pane = [
            (x + left * w, y - 0.52 * h),
            (x + (left + lean) * w, y - 0.84 * h),
            (x + (right - tail) * w, y - 0.84 * h),
            (x + right * w, y - 0.52 * h),
        ]
        canvas.polygon(pane, fill=glass)
    body = (x - 0.5 * w, y - 0.56 * h, x + 0.5 * w, y - 0.16 * h)
    canvas.rounded_rectangle(body, 0.14 * h, fill=paint.base)
    _box(canvas, x - 0.48 * w, y - 0.3 * h, x + 0.48 * w, y - 0.18 * h, paint.shade)
    _oval(canvas, x + 0.46 * w, y - 0.42 * h, 0.06 * h, 0.07 * h, (255, 240, 170))
    for dx in (-0.28, 0.28):
        _oval(canvas, x + dx * w, y - r, r, r, TYRE)
        _oval(canvas, x + dx * w, y - r, 0.5 * r, 0.5 * r, (206, 208, 216))


def cat(canvas: Canvas, x: float, y: float, h: float, paint: Paint, time: str) -> None:
    """A sitting cat: a big head with pointed ears and large eyes."""
    tail = (x + 0.08 * h, y - 0.44 * h, x + 0.5 * h, y - 0.02 * h)
    canvas.arc(tail, -70, 110, fill=paint.shade, width=max(2, round(0.1 * h)))
    _oval(canvas, x, y - 0.22 * h, 0.27 * h, 0.23 * h, paint.base)
    _box(canvas, x - 0.2 * h, y - 0.2 * h, x + 0.2 * h, y, paint.base)
    _oval(canvas, x, y - 0.16 * h, 0.13 * h, 0.15 * h, paint.light)
    head = y - 0.63 * h
    for side in (-1, 1):
        ear = [(x + side * 0.35 * h, head + 0.02 * h), (x + side * 0.31 * h, y - h)]
        canvas.polygon([*ear, (x + side * 0.04 * h, head - 0.2 * h)], fill=paint.base)
        inner = [(x + side * 0.27 * h, head - 0.12 * h), (x + side * 0.27 * h, y - 0.91 * h)]
        canvas.polygon([*inner, (x + side * 0.13 * h, head - 0.18 * h)], fill=paint.shade)
    _oval(canvas, x, head, 0.36 * h, 0.27 * h, paint.base)
    for side in (-1, 1):
        ex, ey = x + side * 0.155 * h, head - 0.02 * h
        _oval(canvas, ex, ey, 0.105 * h, 0.12 * h, (252, 250, 214))
        _oval(canvas, ex, ey, 0.055 * h, 0.095 * h, (18, 20, 26))
    nose = [(x - 0.06 * h, head + 0.11 * h), (x + 0.06 * h, head + 0.11 * h), (x, head + 0.18 * h)]
    canvas.polygon(nose, fill=(232, 104, 120))


def rocket(canvas: Canvas, x: float, y: float, h: float, paint: Paint, time: str) -> None:
    """A rocket on its flame; y is the flame's end, in the air."""
    base = y - 0.2 * h
    flame = [(x - 0.13 * h, base), (x, y), (x + 0.13 * h, base)]
    canvas.polygon(flame, fill=(255, 150, 40))
    canvas.polygon(
        [(x - 0.07 * h, base), (x, y - 0.07 * h), (x + 0.07 * h, base)], fill=(255, 232, 120)
    )
    for side in (-1, 1):
        fin = [
            (x + side * 0.12 * h, base - 0.3 * h),
            (x + side * 0.33 * h, base + 0.05 * h),
            (x + side * 0.12 * h, base),
        ]
        canvas.polygon(fin, fill=paint.shade)
    _oval(canvas, x, base - 0.37 * h, 0.2 * h, 0.43 * h, paint.base)
    _box(canvas, x - 0.16 * h, base - 0.02 * h, x + 0.16 * h, base + 0.04 * h, paint.dark)
    canvas.chord(
        (x - 0.2 * h, base - 0.8 * h, x + 0.2 * h, base + 0.06 * h), 214, 326, fill=paint.shade
    )
    rim = paint.dark if sum(paint.base) > 330 else paint.light
    _oval(canvas, x, base - 0.36 * h, 0.13 * h, 0.13 * h, rim)
    _oval(canvas, x, base - 0.36 * h, 0.09 * h, 0.09 * h, GLASS.get(time, LIT))


DRAW: dict[str, Callable[[Canvas, float, float, float, Paint, str], None]] = {
    "house": house,
    "tree": tree,
    "boat": boat,
    "balloon": balloon,
    "flower": flower,
    "car": car,
    "cat": cat,
    "rocket": rocket,
}
FLYING = frozenset({"balloon", "rocket"})
# Width over height, and height relative to a house's.
WIDTH = {"house": 1.1, "tree": 0.86, "boat": 1.0, "balloon": 0.74, "flower": 0.68, "car": 1.5}
WIDTH |= {"cat": 0.86, "rocket": 0.66}
HEIGHT = {"house": 1.0, "tree": 1.12, "boat": 1.08, "balloon": 1.12, "flower": 1.06, "car": 0.68}
HEIGHT |= {"cat": 1.04, "rocket": 1.14}


def shape_points(name: str, x: float, y: float, r: float) -> list[Point]:
    """The corners of a shape around (x, y) within radius r; none for a circle."""
    if name == "square":
        return [
            (x + a * 0.86 * r, y + b * 0.86 * r) for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))
        ]
    if name == "triangle":
        return [(x, y - 0.92 * r), (x + r, y + 0.8 * r), (x - r, y + 0.8 * r)]
    if name == "star":
        return [
            (x + k * math.sin(a) * r * 1.12, y + 0.06 * r - k * math.cos(a) * r * 1.12)
            for a, k in ((i * math.pi / 5, 0.46 if i % 2 else 1.0) for i in range(10))
        ]
    if name == "heart":
        points = []
        for step in range(48):
            t = step / 48 * 2 * math.pi
            across = 16 * math.sin(t) ** 3
            up = 13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)
            points.append((x + across / 16.5 * r, y - (up + 2) / 16.5 * r))
        return points
    return []


def shape(canvas: Canvas, name: str, x: float, y: float, r: float, paint: Paint) -> None:
    """One flat shape with a soft lower edge."""
    for offset, tone in ((0.06 * r, paint.shade), (0.0, paint.base)):
        if name == "circle":
            _oval(canvas, x, y + offset, r, r, tone)
        else:
            canvas.polygon(shape_points(name, x, y + offset, r), fill=tone)
