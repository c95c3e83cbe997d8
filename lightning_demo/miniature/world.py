"""A scene of the world: what is in it, where and when, in which weather and style; from a seed."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal

from .vocabulary import (
    COLOURS,
    FLYING,
    FORMS,
    PLACES,
    SHAPES,
    SIDED,
    STYLES,
    SUBJECTS,
    TIMES,
    USUAL_COLOURS,
    USUAL_PLACES,
    USUAL_TIME,
    WEATHERS,
)

# (width, height) of the pictures that are encoded, px, and of those that are painted from latents
BUCKETS: tuple[tuple[int, int], ...] = ((128, 128), (192, 128), (128, 192))
SHARP = 2  # times as wide and as high
PAINTED = tuple((SHARP * width, SHARP * height) for width, height in BUCKETS)
BUCKET_SHARES = (0.8, 0.1, 0.1)
HELD_OUT_SHARE = 0.06
HELD_OUT_FILE = Path(__file__).with_name("held_out.txt")
SHAPES_SHARE, EMPTY_SHARE, PAIR_SHARE, COUNTS_SHARE = 0.05, 0.04, 0.25, 0.1  # the rest: one thing
CLEAR_SHARE, FLAT_SHARE = 0.78, 0.84
USUAL_SHARE = 0.3  # of single things are as they come to mind: colour, place, time, weather, style
FORM_SHARE = 0.15  # of things that have several forms have another than the usual one
LEFT_SHARE = 0.1  # of single things with a side face left

Side = Literal["left", "centre", "right"]
Facing = Literal["right", "left"]
Relation = Literal["beside", "front", "above"]
Triple = tuple[str, str, str]

Kind = Literal["one", "pair", "counts"]


@dataclass(frozen=True, slots=True)
class Thing:
    """A subject or shape in one colour."""

    name: str
    colour: str
    form: str = ""  # of FORMS; "": the usual one


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
    facing: Facing = "right"  # of a single thing that has a side
    detail: int = 0  # seeds everything that no word names

    @property
    def is_pair(self) -> bool:
        """Whether it shows two different things."""
        return len(set(self.things)) == 2

    @property
    def triples(self) -> set[Triple]:
        """Its (subject, colour, place) combinations."""
        return {(t.name, t.colour, self.place) for t in self.things if self.place}

    @property
    def is_usual(self) -> bool:
        """Whether it is what comes to mind when only the thing is named."""
        if len(self.things) != 1 or not self.place:
            return False
        name = self.things[0].name
        usual = (USUAL_COLOURS[name], USUAL_PLACES[name], USUAL_TIME, "clear", "flat", "centre")
        here = (self.things[0].colour, self.place, self.time, self.weather, self.style, self.side)
        return here == usual and not self.things[0].form


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


def sample_held_out(seed: int, things: Kind = "one") -> Scene:
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
    scene = Scene((), place, time, weather, style, detail=detail)
    if lot < EMPTY_SHARE:
        return scene
    if lot < EMPTY_SHARE + PAIR_SHARE:
        things, relation = _sample_pair(rng)
        return replace(scene, things=things, relation=relation)
    thing = Thing(rng.choice(list(SUBJECTS)), rng.choice(list(COLOURS)))
    if thing.name in FORMS and rng.random() < FORM_SHARE:
        thing = replace(thing, form=rng.choice(list(FORMS[thing.name])))
    if lot < EMPTY_SHARE + PAIR_SHARE + COUNTS_SHARE:
        return replace(scene, things=(thing,) * rng.choice((2, 2, 3)))
    return _sample_single(thing, scene, rng)


def _sample_single(thing: Thing, scene: Scene, rng: random.Random) -> Scene:
    if rng.random() < USUAL_SHARE:
        usual = Thing(thing.name, USUAL_COLOURS[thing.name])
        place = USUAL_PLACES[thing.name]
        if not held_out(usual.name, usual.colour, place):
            return Scene((usual,), place, USUAL_TIME, detail=scene.detail)
    side: Side = rng.choices(("centre", "left", "right"), (0.84, 0.08, 0.08))[0]  # type: ignore[assignment]
    facing: Facing = "left" if thing.name in SIDED and rng.random() < LEFT_SHARE else "right"
    return replace(scene, things=(thing,), side=side, facing=facing)


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
