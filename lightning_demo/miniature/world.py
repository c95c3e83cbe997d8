"""A scene of the world: what is in it, where and when; sampled from a seed, drawn at any size."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Literal

from PIL import Image, ImageDraw

from . import places
from .palette import INK, mix, paint
from .subjects import DRAW, FLYING, HEIGHT, WIDTH, shape
from .vocabulary import COLOURS, PLACES, SHAPES, SUBJECTS, TIMES

SUPERSAMPLING = 2
BUCKETS: tuple[tuple[int, int], ...] = ((128, 128), (160, 96), (96, 160))  # (width, height), px
BUCKET_SHARES = (0.7, 0.15, 0.15)
HELD_OUT_SHARE = 0.06

Side = Literal["left", "centre", "right"]


@dataclass(frozen=True, slots=True)
class Thing:
    """A subject or shape in one colour."""

    name: str
    colour: str


@dataclass(frozen=True, slots=True)
class Scene:
    """One picture in words.

    `things` are from left to right: none, one to three equal ones, or two different ones. A scene
    of shapes has a background colour instead of a place and a time.
    """

    things: tuple[Thing, ...]
    place: str = ""
    time: str = ""
    background: str = ""
    side: Side = "centre"  # of a single thing
    detail: int = 0  # seeds everything that no word names

    @property
    def is_pair(self) -> bool:
        """Whether it shows two different things."""
        return len(set(self.things)) == 2

    @property
    def triples(self) -> set[tuple[str, str, str]]:
        """Its (subject, colour, place) combinations."""
        return {(t.name, t.colour, self.place) for t in self.things if self.place}


@cache
def held_out_triples() -> frozenset[tuple[str, str, str]]:
    """The combinations that training never sees, the same in every run."""
    triples = list(product(SUBJECTS, COLOURS, PLACES))
    count = round(HELD_OUT_SHARE * len(triples))
    return frozenset(random.Random(2402_13929).sample(triples, count))  # noqa: S311


def held_out(subject: str, colour: str, place: str) -> bool:
    """Whether this combination is kept from training, to see if the model can combine."""
    return (subject, colour, place) in held_out_triples()


def sample_scene(seed: int) -> Scene:
    """A scene for training; never one with a held-out combination."""
    rng = random.Random(seed)  # noqa: S311
    while True:
        scene = _draw_lots(rng)
        if not any(held_out(*triple) for triple in scene.triples):
            return scene


def sample_held_out(seed: int) -> Scene:
    """A single subject in one of the combinations that training never sees."""
    rng = random.Random(seed)  # noqa: S311
    subject, colour, place = rng.choice(sorted(held_out_triples()))
    thing = Thing(subject, colour)
    return Scene((thing,), place, rng.choice(list(TIMES)), detail=rng.getrandbits(32))


def _draw_lots(rng: random.Random) -> Scene:
    lot, detail = rng.random(), rng.getrandbits(32)
    if lot < 0.14:
        return _sample_shapes(rng, detail)
    place, time = rng.choice(list(PLACES)), rng.choice(list(TIMES))
    names, colours = list(SUBJECTS), list(COLOURS)
    side: Side = "centre"
    if lot < 0.19:
        things: tuple[Thing, ...] = ()
    elif lot < 0.36:
        first, second = rng.sample(names, 2)
        if rng.random() < 0.15:
            second = first  # two of a kind in two colours
        one, two = rng.sample(colours, 2)
        if second != first and rng.random() < 0.1:
            two = one
        things = (Thing(first, one), Thing(second, two))
    elif lot < 0.5:
        things = (Thing(rng.choice(names), rng.choice(colours)),) * rng.choice((2, 2, 3))
    else:
        things = (Thing(rng.choice(names), rng.choice(colours)),)
        side = rng.choices(("centre", "left", "right"), (0.7, 0.15, 0.15))[0]  # type: ignore[assignment]
    return Scene(things, place, time, side=side, detail=detail)


def _sample_shapes(rng: random.Random, detail: int) -> Scene:
    names, colours = list(SHAPES), list(COLOURS)
    background, one, two = rng.sample(colours, 3)
    kind = rng.random()
    if kind < 0.6:
        things: tuple[Thing, ...] = (Thing(rng.choice(names), one),)
    elif kind < 0.8:
        things = (Thing(rng.choice(names), one),) * rng.choice((2, 3))
    else:
        first, second = rng.sample(names, 2)
        things = (Thing(first, one), Thing(second, two))
    return Scene(things, background=background, detail=detail)


def draw_scene(scene: Scene, width: int, height: int) -> Image.Image:
    """The picture of a scene, RGB, in pixels."""
    rng = random.Random(scene.detail)  # noqa: S311
    size = (width * SUPERSAMPLING, height * SUPERSAMPLING)
    if scene.background:
        picture = _draw_shapes(scene, size, rng)
    else:
        picture = places.sky(*size, scene.time, rng)
        places.land(picture, scene.place, scene.time, rng)
        _draw_things(picture, scene, rng)
        if scene.time == "storm":
            places.rain(picture, rng)
    return picture.resize((width, height), Image.Resampling.BOX)


def _columns(count: int, width: int, side: Side, rng: random.Random) -> list[float]:
    if count == 1:
        at = {"left": 0.28, "centre": 0.5, "right": 0.72}[side]
        return [(at + rng.uniform(-0.03, 0.03)) * width]
    middles = (0.27, 0.73) if count == 2 else (0.18, 0.5, 0.82)
    return [(at + rng.uniform(-0.015, 0.015)) * width for at in middles]


def _draw_things(picture: Image.Image, scene: Scene, rng: random.Random) -> None:
    width, height = picture.size
    count = len(scene.things)
    if not count:
        return
    xs = _columns(count, width, scene.side, rng)
    room = width / count * (0.94 if count > 1 else 0.8)
    for thing, x in zip(scene.things, xs, strict=True):
        tall = HEIGHT[thing.name] * {1: 0.56, 2: 0.48, 3: 0.38}[count] * min(height, 1.25 * width)
        tall = min(tall * rng.uniform(0.93, 1.07), room / WIDTH[thing.name])
        y = rng.uniform(0.88, 0.93) * height
        if thing.name in FLYING:
            y = (rng.uniform(0.68, 0.76) if count < 3 else rng.uniform(0.62, 0.68)) * height
            y = max(y, tall + 0.03 * height)
        elif thing.name == "boat" and scene.place == "sea":
            y = rng.uniform(0.8, 0.83) * height
        else:
            _shadow(picture, x, y, 0.46 * WIDTH[thing.name] * tall)
        DRAW[thing.name](
            ImageDraw.Draw(picture), x, y, tall, paint(thing.colour, scene.time), scene.time
        )


def _shadow(picture: Image.Image, x: float, y: float, radius: float) -> None:
    """Darkens the ground under a thing, so that it stands instead of floating."""
    box = tuple(round(v) for v in (x - radius, y - 0.16 * radius, x + radius, y + 0.16 * radius))
    mask = Image.new("L", (box[2] - box[0], box[3] - box[1]), 0)
    ImageDraw.Draw(mask).ellipse((0, 0, mask.width - 1, mask.height - 1), fill=84)
    picture.paste((16, 22, 44), box[:2], mask)


def _draw_shapes(scene: Scene, size: tuple[int, int], rng: random.Random) -> Image.Image:
    width, height = size
    back = INK[scene.background]
    picture = Image.new("RGB", size, back)
    canvas = ImageDraw.Draw(picture)
    for row in range(height):  # a breath of light from above
        tone = mix(mix(back, (255, 255, 255), 0.1), mix(back, (0, 0, 0), 0.1), row / height)
        canvas.line((0, row, width, row), fill=tone)
    count = len(scene.things)
    radius = {1: 0.33, 2: 0.2, 3: 0.145}[count] * min(width, 1.3 * height) * rng.uniform(0.94, 1.06)
    y = height * rng.uniform(0.47, 0.52)
    for thing, x in zip(scene.things, _columns(count, width, scene.side, rng), strict=True):
        shape(canvas, thing.name, x, y, min(radius, 0.4 * height), paint(thing.colour, "day"))
    return picture


def contact_sheet(pictures: list[Image.Image], columns: int, gap: int = 4) -> Image.Image:
    """Pictures of one size in rows on white."""
    width, height = pictures[0].size
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * (width + gap) + gap, rows * (height + gap) + gap), "white")
    for number, picture in enumerate(pictures):
        row, column = divmod(number, columns)
        sheet.paste(picture, (gap + column * (width + gap), gap + row * (height + gap)))
    return sheet
