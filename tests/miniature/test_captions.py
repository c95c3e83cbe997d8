"""Captions say what they claim, claim only what is so, and come out alike for a seed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lightning_demo.miniature.captions import Caption, write_caption
from lightning_demo.miniature.vocabulary import (
    COLOURS,
    EXAMPLES,
    FORMS,
    SHAPES,
    SUBJECTS,
    USUAL_FORMS,
    known_words,
    plural,
    words,
)
from lightning_demo.miniature.world import sample_scene

SEEDS = st.integers(0, 2**60)


def some(count: int) -> list[Caption]:
    return [write_caption(sample_scene(seed), seed) for seed in range(count)]


@given(scene=SEEDS, seed=SEEDS)
def test_the_same_seed_writes_the_same_caption(scene: int, seed: int):
    assert write_caption(sample_scene(scene), seed) == write_caption(sample_scene(scene), seed)


@given(scene_seed=SEEDS, seed=SEEDS)
def test_claims_are_true_and_stand_in_the_text(scene_seed: int, seed: int):
    scene = sample_scene(scene_seed)
    caption = write_caption(scene, seed)
    text = caption.text.lower()
    for slot, thing in zip(("", "_2"), scene.things, strict=False):
        if slot and not scene.is_pair:
            break
        if "name" + slot in caption.claims:
            assert caption.claims["name" + slot] == thing.name
            names = (SUBJECTS | SHAPES)[thing.name] + USUAL_FORMS.get(thing.name, ())
            if thing.form:
                names = FORMS[thing.name][thing.form]
            assert any(name in text or plural(name) in text for name in names)
        if "colour" + slot in caption.claims:
            assert caption.claims["colour" + slot] == thing.colour
            assert any(name in text for name in COLOURS[thing.colour])
    for name in ("place", "time", "weather", "style", "relation", "background"):
        assert caption.claims.get(name, getattr(scene, name)) == getattr(scene, name)


@given(scene_seed=SEEDS, seed=SEEDS)
def test_where_a_thing_stands_and_looks_is_said_unless_it_is_the_usual(scene_seed: int, seed: int):
    scene = sample_scene(scene_seed)
    caption = write_caption(scene, seed)
    if len(scene.things) == 1 and "name" in caption.claims:
        assert caption.claims.get("side", "centre") == scene.side or scene.background
        assert caption.claims.get("facing", "right") == scene.facing
        assert caption.claims.get("form", "") == scene.things[0].form


@given(scene_seed=SEEDS, seed=SEEDS)
def test_weather_and_style_are_said_unless_they_are_the_usual(scene_seed: int, seed: int):
    scene = sample_scene(scene_seed)
    caption = write_caption(scene, seed)
    if caption.claims:
        assert ("style" in caption.claims) == (scene.style != "flat")
        if scene.place:
            assert ("weather" in caption.claims) == (scene.weather != "clear")


def test_the_shares_of_kinds_of_captions():
    captions = some(3000)
    typed = sum(not caption.claims for caption in captions) / len(captions)
    complete = sum(
        {"name", "colour", "place", "time"} <= caption.claims.keys() for caption in captions
    )
    assert 0.05 < typed < 0.11, "captions cut while typing"
    assert 0.35 < complete / len(captions) < 0.75
    assert len({caption.text for caption in captions}) > 2500


def test_the_sentence_of_the_demo_is_made_of_known_words():
    known = set(known_words())
    for prompt in EXAMPLES:
        assert set(prompt.replace(",", "").split()) <= known, prompt


def test_words_for_the_page():
    groups = words()["groups"]
    assert isinstance(groups, dict)
    assert len(groups["subjects"]) >= 16 and len(groups["places"]) >= 8
    assert {"colours", "shapes", "times", "weather", "styles", "counts"} < set(groups)
    phrases = [phrase for group in groups.values() for phrase in group]
    assert all(set(phrase.split()) <= set(known_words()) for phrase in phrases)
