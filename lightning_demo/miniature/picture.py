"""Draws a scene at any size: layout, layers, weather and style."""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from .drawing import weather as weathers
from .drawing.brush import Look
from .drawing.lands import land
from .drawing.lots import take
from .drawing.palette import INK, mix, paint
from .drawing.shapes import shape
from .drawing.sky import HORIZON, sky
from .drawing.styles import STYLES, lay_sheet
from .drawing.subjects import DRAW, HEIGHT, WIDTH
from .vocabulary import AFLOAT, FLYING
from .world import Scene, Side, Thing

SUPERSAMPLING = 2
GRID = 16  # latents along the shorter side
TONE = 16  # levels of 255 by which a colour behind the things differs


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a thing stands and how tall it is, canvas pixels; y is its lowest point."""

    thing: Thing
    x: float
    y: float
    tall: float


def draw_scene(scene: Scene, width: int, height: int) -> Image.Image:
    """The picture of a scene, RGB, in pixels."""
    rng = random.Random(scene.detail)  # noqa: S311
    size = (width * SUPERSAMPLING, height * SUPERSAMPLING)
    picture = _shapes(scene, size, rng) if scene.background else _landscape(scene, size, rng)
    if scene.style != "flat":
        picture = STYLES[scene.style](picture, rng)
    return picture.resize((width, height), Image.Resampling.BOX)


def _landscape(scene: Scene, size: tuple[int, int], rng: random.Random) -> Image.Image:
    picture = sky(*size, scene.time, scene.weather, scene.place, take(scene.time, rng))
    lots = take(scene.place, rng)
    card = scene.style == "paper cut"
    if card:
        sheet = Image.new("RGBA", size)
        land(sheet, scene.place, scene.time, lots)
        lay_sheet(picture, sheet, rim=False)
    else:
        land(picture, scene.place, scene.time, lots)
    if scene.weather == "snow":
        ground = round(HORIZON * size[1])
        white = Image.new("L", (size[0], size[1] - ground), 96)
        picture.paste((244, 248, 255), (0, ground), white)
    elif scene.weather == "fog":
        weathers.fog(picture, scene.time, before=False)
    picture = _toned(picture, rng)
    facing = -1 if scene.facing == "left" else 1
    for spot in _spots(scene, size, rng):
        thing = spot.thing
        look = Look(paint(thing.colour, scene.time), scene.time, thing.form, facing)
        target = Image.new("RGBA", size) if card else picture
        if not card and spot.thing.name not in FLYING and not _floats(spot.thing, scene):
            _shadow(picture, spot.x, spot.y, 0.46 * WIDTH[spot.thing.name] * spot.tall)
        DRAW[spot.thing.name](ImageDraw.Draw(target), spot.x, spot.y, spot.tall, look)
        if card:
            lay_sheet(picture, target, rim=True)
    if scene.weather in ("rain", "storm"):
        weathers.rain(picture, take("rain", rng))
    elif scene.weather == "snow":
        weathers.snow(picture, take("snow", rng))
    elif scene.weather == "fog":
        weathers.fog(picture, scene.time, before=True)
    return picture


def _floats(thing: Thing, scene: Scene) -> bool:
    return thing.name in AFLOAT and scene.place == "sea"


def _spots(scene: Scene, size: tuple[int, int], rng: random.Random) -> list[Spot]:
    """In the order of drawing, from back to front."""
    if not scene.things:
        return []
    if scene.is_pair and scene.relation == "front":
        return _one_before_the_other(scene, size)
    if scene.is_pair and scene.relation == "above":
        return _one_above_the_other(scene, size, rng)
    width, height = size
    count = len(scene.things)
    room = width / count * (0.94 if count > 1 else 0.92)
    share = {1: 0.7, 2: 0.56, 3: 0.48}[count]
    spots = []
    for thing, x in zip(scene.things, _columns(count, width, scene.side, rng), strict=True):
        tall = _tall(thing, share, size, room)
        y = rng.uniform(0.86, 0.96) * height
        if thing.name in FLYING:
            y = (rng.uniform(0.68, 0.76) if count < 3 else rng.uniform(0.62, 0.68)) * height
            y = max(y, tall + 0.04 * height)
        elif _floats(thing, scene):
            y = rng.uniform(0.8, 0.83) * height
        spots.append(Spot(thing, _on_grid(x, size), _on_grid(y, size), tall))
    return spots


def _one_before_the_other(scene: Scene, size: tuple[int, int]) -> list[Spot]:
    """The front one lower, smaller and overlapping; both must stay recognisable."""
    width, height = size
    front, behind = scene.things
    side = -1
    reach = 0.15 * min(width, height)
    near = Spot(
        front,
        _on_grid(width / 2 + side * reach, size),
        _on_grid(0.94 * height, size),
        _tall(front, 0.38, size, 0.5 * width),
    )
    far = Spot(
        behind,
        _on_grid(width / 2 - side * reach, size),
        _on_grid(0.81 * height, size),
        _tall(behind, 0.56, size, 0.68 * width),
    )
    return [far, near]


def _one_above_the_other(scene: Scene, size: tuple[int, int], rng: random.Random) -> list[Spot]:
    width, height = size
    above, below = scene.things
    x = _on_grid((0.5 + rng.uniform(-0.12, 0.12)) * width, size)
    low = Spot(
        below,
        x,
        _on_grid(0.94 * height, size),
        _tall(below, 0.4, size, 0.7 * width),
    )
    tall = _tall(above, 0.36, size, 0.6 * width)
    high = Spot(above, x, _on_grid(max(tall + 0.04 * height, 0.43 * height), size), tall)
    return [low, high]


def _on_grid(place: float, size: tuple[int, int]) -> float:
    """The nearest place where latents meet: from cell to cell a thing looks the same to a model."""
    cell = min(size) / GRID
    return round(place / cell) * cell


def _tall(thing: Thing, share: float, size: tuple[int, int], room: float) -> float:
    """The height of a thing: a share of the picture's, no wider than its room."""
    width, height = size
    tall = HEIGHT[thing.name] * share * min(height, 1.25 * width)
    return min(tall, 0.8 * height, room / WIDTH[thing.name])


def _columns(count: int, width: int, side: Side, rng: random.Random) -> list[float]:
    if count == 1:
        at = {"left": 0.28, "centre": 0.5, "right": 0.72}[side]
        return [(at + rng.uniform(-0.09, 0.09)) * width]
    middles = (0.27, 0.73) if count == 2 else (0.18, 0.5, 0.82)
    return [at * width for at in middles]


def _toned(picture: Image.Image, rng: random.Random) -> Image.Image:
    """The light of this picture: another tone above and below, which a model draws with ease."""
    top, bottom = ([rng.uniform(-TONE, TONE) for _ in range(3)] for _ in range(2))
    tones = np.linspace(top, bottom, picture.height, dtype=np.float32)[:, None]
    pixels = np.asarray(picture, dtype=np.float32) + tones
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def _shadow(picture: Image.Image, x: float, y: float, radius: float) -> None:
    """Darkens the ground under a thing, so that it stands instead of floating."""
    box = tuple(round(v) for v in (x - radius, y - 0.16 * radius, x + radius, y + 0.16 * radius))
    mask = Image.new("L", (box[2] - box[0], box[3] - box[1]), 0)
    ImageDraw.Draw(mask).ellipse((0, 0, mask.width - 1, mask.height - 1), fill=84)
    picture.paste((16, 22, 44), box[:2], mask)


def _shapes(scene: Scene, size: tuple[int, int], rng: random.Random) -> Image.Image:
    width, height = size
    back = INK[scene.background]
    picture = Image.new("RGB", size, back)
    canvas = ImageDraw.Draw(picture)
    for row in range(height):  # a breath of light from above
        tone = mix(mix(back, (255, 255, 255), 0.1), mix(back, (0, 0, 0), 0.1), row / height)
        canvas.line((0, row, width, row), fill=tone)
    count = len(scene.things)
    radius = {1: 0.33, 2: 0.2, 3: 0.145}[count] * min(width, 1.3 * height)
    y = _on_grid(height / 2, size)
    for thing, x in zip(scene.things, _columns(count, width, scene.side, rng), strict=True):
        tones = paint(thing.colour, "day")
        target = Image.new("RGBA", size) if scene.style == "paper cut" else picture
        shape(
            ImageDraw.Draw(target),
            thing.name,
            _on_grid(x, size),
            y,
            min(radius, 0.4 * height),
            tones,
        )
        if target is not picture:
            lay_sheet(picture, target, rim=True)
    return picture
