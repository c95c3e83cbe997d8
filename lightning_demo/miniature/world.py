"""A scene of the world: what is in it, where and when, in which weather and style; from a seed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from .vocabulary import (
    COLOURS,
    FLYING,
    PLACES,
    SHAPES,
    STYLES,
    SUBJECTS,
    TIMES,
    USUAL_COLOURS,
    WEATHERS,
)

BUCKETS: tuple[tuple[int, int], ...] = ((128, 128), (192, 128), (128, 192))  # (width, height), px
BUCKET_SHARES = (0.8, 0.1, 0.1)
HELD_OUT_SHARE = 0.06
HELD_OUT_FILE = Path(__file__).with_name("held_out.txt")
SHAPES_SHARE, EMPTY_SHARE, PAIR_SHARE, COUNTS_SHARE = 0.09, 0.04, 0.45, 0.13
CLEAR_SHARE, FLAT_SHARE = 0.7, 0.78
USUAL_SHARE = 0.2  # of single things have the colour that comes to mind

Side = Literal["left", "centre", "right"]
Relation = Literal["beside", "front", "above"]
Triple = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Thing:
    """A subject or shape in one colour."""

    name: str
    colour: str


@dataclass(frozen=True, slots=True)
class Scene:
    """One picture in words.

    `things`: none, one to three equal ones, or two different ones: left and right, the one in
    front and the one behind it, the one above and the one below. A scene of shapes has a
    background colour instead of a place, a time and a weather.
    """

    things: tuple[Thing, ...]
    place: str = ""
    time: str = ""
    weather: str = "clear"
    style: str = "flat"
    background: str = ""
    relation: Relation = "beside"  # of two different things
    side: Side = "centre"  # of a single thing
    detail: int = 0  # seeds everything that no word names

    @property
    def is_pair(self) -> bool:
        """Whether it shows two different things."""
        return len(set(self.things)) == 2

    @property
    def triples(self) -> set[Triple]:
        """Its (subject, colour, place) combinations."""
        return {(t.name, t.colour, self.place) for t in self.things if self.place}


@cache
def held_out_triples() -> frozenset[Triple]:
    """The combinations that training never sees, as listed in `held_out.txt`."""
    lines = HELD_OUT_FILE.read_text(encoding="utf-8").splitlines()
    return frozenset(tuple(line.split()) for line in lines if line and line[0] != "#")  # type: ignore[misc]


def choose_held_out() -> list[Triple]:
    """What `held_out.txt` was written from: as many of each place, colours and subjects in turn."""
    rng = random.Random(2402_13929)  # noqa: S311
    share = round(HELD_OUT_SHARE * len(SUBJECTS) * len(COLOURS))
    chosen: list[Triple] = []
    for place in PLACES:
        names = rng.sample(list(SUBJECTS), share)
        colours = (rng.sample(list(COLOURS), len(COLOURS)) * 2)[:share]
        chosen += zip(names, colours, (place,) * share, strict=True)
    return sorted(chosen)


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


def sample_held_out(seed: int, things: Literal["one", "pair", "counts"] = "one") -> Scene:
    """A clear, flat scene whose combinations training never sees.

    Args:
        things: a single subject, two different ones side by side, or two or three equal ones.
    """
    rng = random.Random(seed)  # noqa: S311
    triples = sorted(held_out_triples())
    subject, colour, place = rng.choice(triples)
    chosen: tuple[Thing, ...] = (Thing(subject, colour),)
    if things == "counts":
        chosen *= rng.choice((2, 3))
    elif things == "pair":
        others = [Thing(s, c) for s, c, p in triples if p == place and s != subject]
        chosen += (rng.choice(others),)
    return Scene(chosen, place, rng.choice(list(TIMES)), detail=rng.getrandbits(32))


def _draw_lots(rng: random.Random) -> Scene:
    lot, detail = rng.random(), rng.getrandbits(32)
    style = "flat" if rng.random() < FLAT_SHARE else rng.choice(list(STYLES)[1:])
    if lot < SHAPES_SHARE:
        return _sample_shapes(rng, style, detail)
    lot -= SHAPES_SHARE
    place, time = rng.choice(list(PLACES)), rng.choice(list(TIMES))
    weather = "clear" if rng.random() < CLEAR_SHARE else rng.choice(list(WEATHERS)[1:])
    if place == "space":
        weather = "clear"
    names = list(SUBJECTS)
    side: Side = "centre"
    relation: Relation = "beside"
    if lot < EMPTY_SHARE:
        things: tuple[Thing, ...] = ()
    elif lot < EMPTY_SHARE + PAIR_SHARE:
        things, relation = _sample_pair(rng)
    elif lot < EMPTY_SHARE + PAIR_SHARE + COUNTS_SHARE:
        things = (Thing(rng.choice(names), rng.choice(list(COLOURS))),) * rng.choice((2, 2, 3))
    else:
        name, colour = rng.choice(names), rng.choice(list(COLOURS))
        if rng.random() < USUAL_SHARE:
            colour = USUAL_COLOURS.get(name, colour)
        things = (Thing(name, colour),)
        side = rng.choices(("centre", "left", "right"), (0.7, 0.15, 0.15))[0]  # type: ignore[assignment]
    return Scene(things, place, time, weather, style, relation=relation, side=side, detail=detail)


def _sample_pair(rng: random.Random) -> tuple[tuple[Thing, ...], Relation]:
    """Two different things; one in seven of a kind, one in ten of a colour."""
    names, standing = list(SUBJECTS), [name for name in SUBJECTS if name not in FLYING]
    relation: Relation = rng.choices(("beside", "front", "above"), (0.78, 0.11, 0.11))[0]  # type: ignore[assignment]
    if relation == "above":
        first, second = rng.choice(sorted(FLYING)), rng.choice(standing)
    elif relation == "front":
        first, second = rng.sample(standing, 2)
    else:
        first, second = rng.sample(names, 2)
        if rng.random() < 0.15:
            second = first
    one, two = rng.sample(list(COLOURS), 2)
    if second != first and rng.random() < 0.1:
        two = one
    return (Thing(first, one), Thing(second, two)), relation


def _sample_shapes(rng: random.Random, style: str, detail: int) -> Scene:
    names, colours = list(SHAPES), list(COLOURS)
    background, one, two = rng.sample(colours, 3)
    kind = rng.random()
    if kind < 0.5:
        things: tuple[Thing, ...] = (Thing(rng.choice(names), one),)
    elif kind < 0.7:
        things = (Thing(rng.choice(names), one),) * rng.choice((2, 3))
    else:
        first, second = rng.sample(names, 2)
        things = (Thing(first, one), Thing(second, two))
    return Scene(things, style=style, background=background, detail=detail)
