"""The world: every scene can be drawn, is drawn alike each time, and held-out ones never are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightning_demo.miniature.vocabulary import (
    COLOURS,
    FLYING,
    PLACES,
    SHAPES,
    STYLES,
    SUBJECTS,
    WEATHERS,
)
from lightning_demo.miniature.world import (
    choose_held_out,
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


@pytest.mark.parametrize("things", ["one", "pair", "counts"])
@given(seed=SEEDS)
def test_held_out_scenes_are_held_out(things, seed: int):
    scene = sample_held_out(seed, things)
    assert all(held_out(*triple) for triple in scene.triples)
    assert scene.is_pair == (things == "pair")
    assert len(scene.things) == {"one": 1, "pair": 2}.get(things, len(scene.things))


def test_at_least_one_combination_in_twenty_is_held_out_of_every_word():
    triples = held_out_triples()
    assert len(triples) >= 0.05 * len(SUBJECTS) * len(COLOURS) * len(PLACES)
    assert sorted(triples) == choose_held_out(), "the file was fixed before training"
    for column, words in enumerate((SUBJECTS, COLOURS, PLACES)):
        assert {triple[column] for triple in triples} == set(words)


@given(seed=SEEDS)
def test_scenes_are_sampled_alike_and_keep_to_the_vocabulary(seed: int):
    scene = sample_scene(seed)
    assert scene == sample_scene(seed)
    known = SHAPES if scene.background else SUBJECTS
    assert all(thing.name in known and thing.colour in COLOURS for thing in scene.things)
    assert len(scene.things) <= 3
    assert bool(scene.background) != bool(scene.place and scene.time)
    assert scene.style in STYLES and scene.weather in WEATHERS
    if scene.relation == "above":
        assert scene.things[0].name in FLYING and scene.things[1].name not in FLYING
    assert scene.background not in {thing.colour for thing in scene.things}
