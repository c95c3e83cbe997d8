"""The world: every scene can be drawn, is drawn alike each time, and held-out ones never are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightning_demo.miniature.places import HORIZON
from lightning_demo.miniature.subjects import DRAW
from lightning_demo.miniature.vocabulary import COLOURS, PLACES, SHAPES, SUBJECTS, TIMES
from lightning_demo.miniature.world import (
    BUCKETS,
    Scene,
    Thing,
    draw_scene,
    held_out,
    held_out_triples,
    sample_held_out,
    sample_scene,
)

SEEDS = st.integers(0, 2**60)


@given(seed=SEEDS)
def test_training_never_meets_a_held_out_combination(seed: int):
    scene = sample_scene(seed)
    assert not any(held_out(*triple) for triple in scene.triples)


@given(seed=SEEDS)
def test_held_out_scenes_are_held_out(seed: int):
    (thing,) = sample_held_out(seed).things
    assert held_out(thing.name, thing.colour, sample_held_out(seed).place)


def test_at_least_one_combination_in_twenty_is_held_out():
    assert len(held_out_triples()) >= 0.05 * len(SUBJECTS) * len(COLOURS) * len(PLACES)


@pytest.mark.parametrize("size", BUCKETS, ids=lambda size: f"{size[0]}x{size[1]}")
def test_scenes_draw_at_every_size_and_alike_each_time(size: tuple[int, int]):
    for seed in range(12):
        first, second = (np.asarray(draw_scene(sample_scene(seed), *size)) for _ in range(2))
        assert first.shape == (size[1], size[0], 3)
        assert (first == second).all()
        assert first.std() > 2, "a picture of one colour"


@given(seed=SEEDS)
def test_scenes_are_sampled_alike_and_keep_to_the_vocabulary(seed: int):
    scene = sample_scene(seed)
    assert scene == sample_scene(seed)
    known = SHAPES if scene.background else SUBJECTS
    assert all(thing.name in known and thing.colour in COLOURS for thing in scene.things)
    assert len(scene.things) <= 3
    assert bool(scene.background) != bool(scene.place and scene.time)
    assert scene.background not in {thing.colour for thing in scene.things}


@pytest.mark.parametrize("subject", DRAW)
@pytest.mark.parametrize("time", TIMES)
def test_a_subject_is_seen_at_any_time_in_any_colour(subject: str, time: str):
    empty = np.asarray(draw_scene(Scene((), "hills", time), 128, 128), dtype=int)
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
