"""The page's components: what is offered, labelled, and never believed."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from functools import lru_cache
from html import escape
from typing import Any

import gradio as gr
import pytest

from lightning_demo.model.weights.checkpoints import MINIATURE, MODELS, SDXL_LIGHTNING
from lightning_demo.settings import Settings
from lightning_demo.studio import mp4
from lightning_demo.web.server import Server
from lightning_demo.web.ui.completions import completions
from lightning_demo.web.ui.controls import CONTROLS
from lightning_demo.web.ui.prompt import example_chips, word_chips
from lightning_demo.web.ui.prompt_tools import TIPS
from lightning_demo.web.ui.words import words

from ..fakes import STATUS, WITH_DRAFTS, FakeEngine, FakePair

SCRIPT = "<script>alert(1)</script>\" onclick='x'"


def components(family: Any) -> dict[str, dict[str, Any]]:
    return _components(family.name)


@lru_cache
def _components(name: str) -> dict[str, dict[str, Any]]:
    family = MODELS[name]
    engine = FakeEngine()
    engine.say(model=family.name, title=family.title, limits=family.limits)
    server = Server(engine, Settings())
    config = server._blocks.get_config_file()
    return {each["props"].get("elem_id"): each["props"] for each in config["components"]}


@pytest.mark.parametrize("family", [MINIATURE, SDXL_LIGHTNING], ids=lambda family: family.name)
def test_every_step_count_is_shown_and_only_known_sizes(family: Any) -> None:
    found = components(family)
    assert [value for _, value in found["steps"]["choices"]] == [1, 2, 4, 8]
    assert found["steps"]["value"] == family.limits.default_steps
    sizes = [value for _, value in found["size"]["choices"]]
    assert sizes == [f"{width}x{height}" for width, height in family.limits.sizes]
    assert found["size"]["value"] == sizes[0]


@pytest.mark.parametrize("installed", [True, False])
def test_a_film_is_offered_where_one_can_be_made(
    installed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mp4, "find_spec", lambda name: installed or None)
    found = _components.__wrapped__(MINIATURE.name)
    for panel, name in (("timeline-panel", "timeline-film"), ("prompt-tools-panel", "morph-film")):
        (button,) = re.findall(f'<button[^>]* id="{name}"[^>]*>', found[panel]["value"])
        assert ("hidden" in button) is not installed


def test_every_control_has_a_label() -> None:
    found = components(MINIATURE)
    for name in CONTROLS.values():
        if name != CONTROLS["style"]:  # not Gradio's: its label is around it
            assert found[name]["label"], name
    english = words("en")
    assert english[found["budget"]["label"]] == "Latency budget, ms"
    assert "only when guidance is above 1" in english[found["negative"]["info"]]


def test_the_budget_begins_with_the_setting() -> None:
    def budget(engine: FakeEngine, **settings: float) -> dict[str, Any]:
        config = Server(engine, Settings(**settings))._blocks.get_config_file()  # type: ignore[arg-type]
        found = {each["props"].get("elem_id"): each["props"] for each in config["components"]}
        return found["budget"]

    chosen = budget(FakeEngine(status=WITH_DRAFTS), latency_budget=250)
    assert chosen["value"] == 250
    labels = [label for label, _ in chosen["choices"]]
    assert labels == ["page.off", "100", "200", "250", "400", "800"]
    assert not budget(FakeEngine())["visible"], "without a smaller size there are no drafts"
    on_enter = FakeEngine(status=WITH_DRAFTS)
    on_enter.say(submit_on_enter=True)
    assert not budget(on_enter)["visible"], "there are no drafts then"


def test_the_first_picture_needs_no_typing() -> None:
    assert components(MINIATURE)["prompt"]["value"] == MINIATURE.vocabulary().examples[0]
    assert components(SDXL_LIGHTNING)["prompt"]["value"] == SDXL_LIGHTNING.examples[0]


def test_the_words_are_offered_only_by_a_model_that_knows_few() -> None:
    assert "words" in components(MINIATURE)
    assert "words" not in components(SDXL_LIGHTNING)
    for word in MINIATURE.vocabulary().groups["colours"]:
        assert f'data-word="{word}"' in str(components(MINIATURE)["words"]["value"])


def test_words_and_examples_are_shown_as_text() -> None:
    for html in (word_chips({SCRIPT: (SCRIPT,)}), example_chips((SCRIPT, SCRIPT))):
        assert html is not None
        assert "<script" not in html.value and "'x'" not in html.value.replace("&#x27;", "")


def test_no_event_is_public_and_none_waits_for_another() -> None:
    config = Server(FakeEngine(), Settings())._blocks.get_config_file()
    for event in config["dependencies"]:
        assert event["api_visibility"] != "public"
        assert event["show_progress"] in ("hidden", None)
    (live,) = [event for event in config["dependencies"] if event["api_name"] == "live"]
    assert live["trigger_mode"] == "multiple"


def test_the_page_is_told_what_it_must_know() -> None:
    server = Server(FakeEngine(), Settings(transport="events"))
    masthead = next(b for b in server._blocks.blocks.values() if b.elem_id == "masthead")
    assert isinstance(masthead, gr.HTML)
    config = {
        "transport": "events",
        "controls": CONTROLS,
        "max_seed": 2**32 - 1,
        "ahead": True,
        "completions": {"miniature": completions(MINIATURE.vocabulary())},
        "attract": 0.0,
        "kiosk": 0.0,
        "compared": False,
        "styles": [asdict(style) for style in STATUS.limits.styles],
        "tips": TIPS,
    }
    assert escape(json.dumps(config)) in masthead.value


def test_the_desk_is_there_only_where_there_is_a_stage() -> None:
    def has_desk(**settings: bool) -> bool:
        server = Server(FakeEngine(), Settings(**settings))  # type: ignore[arg-type]
        return any(block.elem_id == "desk-panel" for block in server._blocks.blocks.values())

    assert has_desk(stage=True)
    assert not has_desk()


def test_a_page_without_its_words_still_opens() -> None:
    engine = FakeEngine()
    engine.say(model="no-such-model", state="failed", detail="Files are missing.")
    server = Server(engine, Settings())
    assert server._blocks.title.endswith(STATUS.title)


def test_a_page_with_a_stand_in_is_the_wanted_models_from_the_start() -> None:
    pair = FakePair()
    config = Server(pair.engine, Settings())._blocks.get_config_file()
    found = {each["props"].get("elem_id"): each["props"] for each in config["components"]}
    sizes = [value for _, value in found["size"]["choices"]]
    assert sizes == [f"{width}x{height}" for width, height in SDXL_LIGHTNING.sizes]
    assert found["size"]["value"] == "1024x1024"
    assert config["title"].endswith("SDXL-Lightning")
    example = found["prompt"]["value"]
    assert example == SDXL_LIGHTNING.examples[0], "the first picture is one of the wanted model's"
    assert example == MINIATURE.vocabulary().examples[0], "and one that the miniature can paint"
    pair.arrive()


def test_words_and_examples_of_two_models_wait_until_it_is_known_who_paints() -> None:
    pair = FakePair()
    config = Server(pair.engine, Settings())._blocks.get_config_file()
    classes = [
        each["props"]["elem_classes"]
        for each in config["components"]
        if "of-model" in (each["props"].get("elem_classes") or [])
    ]
    assert all("away" in each for each in classes)
    assert sorted(name for each in classes for name in each if name.startswith("of-")) == [
        "of-miniature",
        "of-miniature",
        "of-model",
        "of-model",
        "of-model",
        "of-sdxl-lightning",
    ]
    pair.arrive()
