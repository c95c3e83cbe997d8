"""Pictures of scenes: drawn alike each time, at any size, in any light, style and weather."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lightning_demo.miniature.drawing.brush import Look
from lightning_demo.miniature.drawing.palette import paint
from lightning_demo.miniature.drawing.sky import HORIZON
from lightning_demo.miniature.drawing.subjects import DRAW, HEIGHT, WIDTH
from lightning_demo.miniature.picture import draw_scene
from lightning_demo.miniature.vocabulary import (
    COLOURS,
    FORMS,
    PLACES,
    SIDED,
    STYLES,
    SUBJECTS,
    TIMES,
    WEATHERS,
)
from lightning_demo.miniature.world import BUCKETS, PAINTED, SHARP, Scene, Thing, sample_scene


def drawn(scene: Scene) -> np.ndarray:
    return np.asarray(draw_scene(scene, 128, 128), dtype=int)


@pytest.mark.parametrize("size", BUCKETS + PAINTED, ids=lambda size: f"{size[0]}x{size[1]}")
def test_scenes_draw_at_every_size_and_alike_each_time(size: tuple[int, int]):
    for seed in range(12):
        first, second = (np.asarray(draw_scene(sample_scene(seed), *size)) for _ in range(2))
        assert first.shape == (size[1], size[0], 3)
        assert (first == second).all()
        assert first.std() > 2, "a picture of one colour"


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(("small", "large"), [*zip(BUCKETS, PAINTED, strict=True)])
def test_a_sharper_picture_shows_the_same(
    style: str, small: tuple[int, int], large: tuple[int, int]
):
    for seed in range(3):
        scene = replace(sample_scene(seed), style=style)
        halved = draw_scene(scene, *large).reduce(SHARP)
        change = np.asarray(halved, dtype=int) - np.asarray(draw_scene(scene, *small), dtype=int)
        assert np.abs(change).mean() < 4


@pytest.mark.parametrize("subject", SUBJECTS)
@pytest.mark.parametrize("time", TIMES)
def test_a_subject_is_seen_at_any_time_in_any_colour(subject: str, time: str):
    empty = drawn(Scene((), "hills", time))
    for colour in COLOURS:
        scene = Scene((Thing(subject, colour),), "hills", time)
        change = np.abs(np.asarray(draw_scene(scene, 128, 128), dtype=int) - empty).max(axis=2)
        assert (change > 30).mean() > 0.06, f"{colour} {subject} by {time} hardly shows"


def test_the_four_times_have_four_skies():
    means = []
    for time in TIMES:
        picture = np.asarray(draw_scene(Scene((), "sea", time), 128, 128), dtype=float)
        means.append(picture[: int(128 * HORIZON)].mean(axis=(0, 1)))
    for first in range(4):
        for second in range(first):
            assert np.abs(means[first] - means[second]).max() > 25


def test_every_subject_is_drawn_in_every_form_both_ways():
    from PIL import Image, ImageDraw

    assert set(DRAW) == set(WIDTH) == set(HEIGHT) == set(SUBJECTS)
    for name, draw in DRAW.items():
        seen = set()
        forms = ("", *FORMS.get(name, ()))
        for form in forms:
            for facing in (-1, 1):
                picture = Image.new("RGB", (400, 200), "white")
                look = Look(paint("red", "day"), "day", form, facing)
                draw(ImageDraw.Draw(picture), 200, 190, 150, look)
                ink = np.argwhere((np.asarray(picture) != 255).any(axis=2))
                seen.add(picture.tobytes())
                assert ink.min(axis=0)[0] > 10, f"{name} {form} is higher than it says"
                width = np.ptp(ink[:, 1])
                assert width <= 150 * WIDTH[name] * 1.2, f"{name} {form} is wider than it says"
        assert len(seen) >= len(forms) + (name in SIDED), f"the forms of {name} look alike"


@pytest.mark.parametrize("word", [*list(WEATHERS)[1:], *list(STYLES)[1:], *PLACES])
def test_weather_style_and_place_change_the_picture(word: str):
    plain = Scene((Thing("house", "red"),), "hills", "day", detail=5)
    if word in WEATHERS and word != "snow":
        other = replace(plain, weather=word)
    elif word in STYLES:
        other = replace(plain, style=word)
    else:
        other = replace(plain, place="sea" if word == "hills" else word)
    assert np.abs(drawn(plain) - drawn(other)).mean() > 3


def test_relations_put_things_where_they_say():
    red, blue = Thing("house", "red"), Thing("tree", "blue")
    columns = {}
    for left, right in ((red, blue), (blue, red)):
        picture = drawn(Scene((left, right), "snow", "day", detail=3))
        reddish = (picture[..., 0] - picture[..., 2] > 90) & (picture[..., 1] < 90)
        columns[left.colour] = np.argwhere(reddish)[:, 1].mean()
    assert columns["red"] < 64 < columns["blue"]
    sky = Scene((Thing("balloon", "red"), Thing("car", "red")), "snow", "day", relation="above")
    rows = np.argwhere(drawn(sky)[..., 1] < 90)[:, 0]
    assert (rows < 60).any() and (rows > 90).any()


def test_pictures_of_a_scene_differ_a_little_but_not_in_what_they_show():
    """There are a few takes of what no word names: a model would draw the mean of many."""
    scene = Scene((Thing("castle", "white"),), "city", "sunset")
    first, *others = (drawn(replace(scene, detail=detail)) for detail in range(6))
    for other in others:
        assert 1 < np.abs(first - other).mean() < 40
    elsewhere = drawn(replace(scene, place="hills"))
    # The same light, the same place of the castle, and less alike than another take with those.
    assert np.abs(first - elsewhere).mean() > min(np.abs(first - o).mean() for o in others)


def test_facing_left_is_the_mirror_of_facing_right():
    right, left = (
        drawn(Scene((Thing("bird", "blue"),), "hills", "day", facing=facing))
        for facing in ("right", "left")
    )
    change = np.abs(right - left).max(axis=2) > 30
    assert 0.03 < change.mean() < 0.3
