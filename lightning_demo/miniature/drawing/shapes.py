"""Draws the flat shapes: circle, square, triangle, star, heart."""

from __future__ import annotations

import math

from .brush import Canvas, Point, disc
from .palette import Paint


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
            disc(canvas, x, y + offset, r, tone)
        else:
            canvas.polygon(shape_points(name, x, y + offset, r), fill=tone)
