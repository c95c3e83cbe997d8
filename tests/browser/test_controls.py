"""Every control repaints; errors stand at their field and the last picture stays."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image

from ..web.conftest import Running, wait_for
from ..web.fakes import WITH_DRAFTS, FakeEngine, color_of, slow
from .conftest import House, Visit

Open = Callable[..., Visit]


@pytest.fixture
def running(own: Callable[..., Running]) -> Running:
    return own()


@pytest.fixture
def tab(again: Visit) -> Visit:
    return again


def changed(tab: Visit, act: Callable[[], Any]) -> dict[str, Any]:
    """The newest request after an act, once its picture is there."""
    before = tab.sequence()
    act()
    tab.wait("before => lightning.sequence > before", before)
    tab.wait_answered()
    return tab.request()


def test_every_control_repaints(tab: Visit) -> None:
    page = tab.page
    tab.open_drawer()
    steps = page.locator("#steps")
    assert changed(tab, lambda: steps.get_by_text("8").click())["num_inference_steps"] == 8
    size = page.locator("#size")
    after = changed(tab, lambda: size.get_by_text("384 × 256").click())
    assert (after["width"], after["height"]) == (384, 256)
    number = page.get_by_label("number input for Guidance")
    assert changed(tab, lambda: number.fill("1.5"))["guidance_scale"] == 1.5
    assert changed(tab, lambda: number.fill("9"))["guidance_scale"] == 9
    assert changed(tab, number.blur)["guidance_scale"] == 2, "Gradio has put it in range"
    assert number.input_value() == "2"
    reset = page.locator("#guidance").get_by_label("Reset to default value")
    assert changed(tab, reset.click)["guidance_scale"] == 0
    slider = page.get_by_label("range slider for Guidance")
    assert changed(tab, lambda: slider.press("ArrowRight"))["guidance_scale"] == 0.1
    negative = page.get_by_label("Negative prompt")
    assert changed(tab, lambda: negative.fill("rain"))["negative_prompt"] == "rain"
    seed = page.get_by_label("Seed", exact=True)
    assert changed(tab, lambda: seed.fill("7"))["seed"] == 7
    assert tab.painted()[-1]["seed"] == 7


def test_tabbing_through_the_page_changes_nothing_and_one_change_asks_once(tab: Visit) -> None:
    before = tab.sequence(), tab.request()
    tab.prompt.focus()
    for _ in range(30):
        tab.page.keyboard.press("Tab")
    tab.wait_answered()
    assert (tab.sequence(), tab.request()) == before
    radios = tab.page.locator("input[type=radio]").all()
    assert radios
    for radio in radios:
        assert radio.is_checked() == (radio.get_attribute("aria-checked") == "true")
    tab.prompt.press("End")
    tab.prompt.press_sequentially("s")
    tab.wait_answered()
    changed(tab, lambda: tab.page.locator("#steps").get_by_text("2").click())
    assert tab.sequence() == before[0] + 2
    # Steps without a checkpoint cannot be chosen.
    one = tab.page.locator("#steps input[value='1']")
    assert one.is_disabled()
    assert "no checkpoint" in str(tab.page.locator("#steps label.absent").get_attribute("title"))
    assert tab.page.locator("#steps label.absent").count() == 1


def test_the_dice_rolls_the_lock_keeps_and_open_it_gives_every_change_its_own_seed(
    tab: Visit,
) -> None:
    seeds = {tab.request()["seed"]}
    for _ in range(2):
        seeds.add(changed(tab, tab.page.get_by_role("button", name="Roll").click)["seed"])
    assert len(seeds) == 3
    kept = tab.request()["seed"]
    tab.type("the seed stays")
    assert tab.wait_painted("the seed stays")["seed"] == kept
    assert tab.page.get_by_label("Seed", exact=True).input_value() == str(kept)
    tab.page.locator("#seed-lock label").click()
    seeds = []
    for word in ("one", "two", "three"):
        tab.prompt.fill(word)
        seeds.append(tab.wait_painted(word)["seed"])
    assert len(set(seeds)) == 3
    tab.wait_answered()
    before = tab.sequence()
    tab.page.locator("#seed-lock label").click()
    tab.prompt.fill("three, kept")
    assert tab.wait_painted("three, kept")["seed"] == seeds[-1]
    assert tab.sequence() == before + 1


def test_drafts_are_told_while_typing_and_the_budget_switches_them_off(
    own: Callable[..., Running], visit: Open
) -> None:
    engine = FakeEngine(status=WITH_DRAFTS)
    engine.forecast_of = slow
    tab = visit(own(engine))
    tab.page.locator("#steps").get_by_text("8", exact=True).click()
    tab.wait("() => lightning.painted.at(-1)?.final && lightning.painted.at(-1).step === 8")
    words = "() => document.getElementById('drafting').textContent"
    tab.wait(f"{words} === ''")
    tab.listen("drafting")
    tab.prompt.press_sequentially(" and a long tail of words", delay=5)
    tab.wait_said("drafts: 2 steps, 128 × 128, quick decoder (budget 200 ms)")
    assert tab.wait_answered()["step"] == 8
    assert "8 steps" in tab.text("about"), "what is asked for stays there"
    tab.wait(f"{words} === ''")
    before = tab.sequence()
    tab.open_drawer()
    tab.page.locator("#budget").get_by_text("off").click()
    tab.wait("() => lightning.budget === 0")
    assert tab.sequence() == before, "no picture depends on it"
    engine.works.clear()
    tab.type("now without")
    tab.wait_painted("now without")
    assert {request.num_inference_steps for request in engine.requests} == {8}


def test_an_error_stands_at_its_field_and_the_picture_stays(
    shared_house: House, tab: Visit
) -> None:
    tab.type("a good picture")
    tab.wait_painted("a good picture")
    color = tab.color()
    seed = tab.page.get_by_label("Seed", exact=True)
    seed.fill("-1")
    alert = tab.page.locator("#seed").get_by_role("alert")
    alert.wait_for()
    assert alert.inner_text() == "Must be a whole number from 0 to 4294967295."
    assert seed.get_attribute("aria-invalid") == "true"
    assert tab.color() == color
    changed(tab, lambda: seed.fill("3"))
    assert alert.count() == 0
    assert seed.get_attribute("aria-invalid") is None
    # So does an empty prompt's; and HTML is text.
    color = tab.color()
    tab.prompt.fill("")
    tab.page.get_by_text("The prompt is empty").wait_for()
    assert tab.color() == color
    # Also when a picture comes late that was asked for before.
    engine = shared_house.engine
    assert isinstance(engine, FakeEngine)
    engine.hold()
    tab.prompt.fill("late")
    wait_for(lambda: engine.works[-1].request.prompt == "late")
    tab.prompt.fill("")
    engine.release()
    tab.wait_painted("late")
    assert tab.page.get_by_text("The prompt is empty").is_visible()
    tab.prompt.fill("again")
    tab.wait_painted("again")
    assert tab.text("prompt-note") == ""
    wild = "<img src=x onerror=alert(1)> \"quoted\" & 'more' </script>"
    tab.type(wild)
    tab.wait_painted(wild)
    assert tab.page.locator("#canvas").get_attribute("aria-label") == wild
    assert tab.page.locator("img[src=x]").count() == 0
    # A heap of accents breaks nothing out of its place either.
    heap = "Z" + "\u0301" * 900
    tab.prompt.fill(heap)
    tab.wait_painted(heap)
    assert tab.page.locator("#canvas").get_attribute("aria-label") == heap
    assert tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_picture_asked_for_before_takes_no_error_away(running: Running, visit: Open) -> None:
    engine, tab = running.engine, visit(running)
    tab.wait_answered()
    assert isinstance(engine, FakeEngine)
    engine.hold()
    tab.prompt.fill("a red house")  # at once: what is typed first might have to be finished first
    # Else the server may read both messages at once, and only the newer one counts.
    wait_for(lambda: any(request.prompt == "a red house" for request in engine.requests))
    tab.page.get_by_label("Seed", exact=True).fill("-3")
    alert = tab.page.locator("#seed").get_by_role("alert")
    alert.wait_for()
    engine.release()
    tab.wait_painted("a red house")
    assert alert.is_visible() and tab.painted()[-1]["sequence"] < tab.sequence()
    assert tab.page.evaluate("lightning.answered"), "nothing is still to come"
    tab.page.get_by_label("Seed", exact=True).fill("3")
    tab.wait_answered()
    assert alert.count() == 0


def test_a_prompt_that_is_empty_no_more_is_not_called_so(
    own: Callable[..., Running], visit: Open
) -> None:
    """Also while no picture can come, because the model loads."""
    engine = FakeEngine()
    engine.say(state="loading")
    tab = visit(own(engine))
    tab.prompt.fill("")
    tab.page.get_by_text("The prompt is empty").wait_for()
    tab.prompt.fill("a cat")
    tab.wait("() => document.getElementById('prompt-note').textContent === ''")
    assert tab.prompt.get_attribute("aria-invalid") is None
    engine.say(state="ready")
    tab.wait_painted("a cat")


def test_the_picture_is_saved_with_its_settings(tab: Visit) -> None:
    tab.type("a picture to keep")
    tab.wait_painted("a picture to keep")
    with tab.page.expect_download() as waiting:
        tab.page.get_by_role("button", name="Download PNG").click()
    download = waiting.value
    assert download.suggested_filename == f"a-picture-to-keep-{tab.request()['seed']}.png"
    picture = Image.open(io.BytesIO(download.path().read_bytes()))
    assert picture.getpixel((5, 5)) == color_of("a picture to keep")
    assert json.loads(picture.info["generation"])["seed"] == tab.request()["seed"]


def test_the_link_reopens_the_same(own: Callable[..., Running], visit: Open) -> None:
    running = own()
    tab = visit(running)
    tab.wait_answered()
    changed(tab, lambda: tab.page.locator("#steps").get_by_text("2").click())
    changed(tab, lambda: tab.page.locator("#size").get_by_text("256 × 384").click())
    tab.open_drawer()
    changed(tab, lambda: tab.page.get_by_label("Negative prompt").fill("a & b=c#d"))
    tab.type("50% café & <b>? häuser")
    tab.wait_painted("50% café & <b>? häuser")
    tab.page.get_by_role("button", name="Copy link").click()
    tab.wait("() => location.search.includes('prompt=')")
    link = urlsplit(tab.page.url)
    assert parse_qs(link.query)["num_inference_steps"] == ["2"]
    other = visit(running, f"/?{link.query}")
    other.wait_painted("50% café & <b>? häuser")
    assert other.request() == tab.request()
    assert other.prompt.input_value() == "50% café & <b>? häuser"
    assert other.page.locator("#steps input[value='2']").is_checked()
    assert other.page.get_by_label("Negative prompt").input_value() == "a & b=c#d"


def test_a_link_with_wrong_values_is_told(own: Callable[..., Running], visit: Open) -> None:
    tab = visit(own(), "/?prompt=x&num_inference_steps=3")
    tab.page.locator("#steps").get_by_role("alert").wait_for()
    changed(tab, lambda: tab.page.locator("#steps").get_by_text("4", exact=True).click())
    assert tab.page.get_by_role("alert").count() == 0


def test_words_and_examples(tab: Visit) -> None:
    page = tab.page
    page.locator(".examples .chip").nth(1).click()
    example = tab.prompt.input_value()
    tab.wait_painted(example)
    tab.prompt.fill("a red house by the sea")
    tab.wait_painted("a red house by the sea")
    words = page.locator("#words")
    words.get_by_role("button", name="blue", exact=True).click()
    tab.wait_painted("a blue house by the sea")
    words.get_by_role("button", name="at night", exact=True).click()
    tab.wait_painted("a blue house by the sea at night")
    pressed = words.locator("[aria-pressed=true]").all_inner_texts()
    assert set(pressed) == {"house", "blue", "by the sea", "at night"}
