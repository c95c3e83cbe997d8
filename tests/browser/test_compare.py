"""Comparing: one request with its settings varied, as a grid that fills as it is painted."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from PIL import Image

from lightning_demo.errors import OutOfMemory
from lightning_demo.web.ui.controls import FIRST_SEED

from ..web.conftest import Running
from ..web.fakes import STATUS, FakeEngine, color_of
from .conftest import DESKTOP, PHONE, Modules, Tabs, Visit

Open = Callable[..., Visit]
REQUEST = {
    "prompt": "a cat",
    "negative_prompt": "",
    "num_inference_steps": 4,
    "guidance_scale": 0,
    "seed": 7,
    "width": 256,
    "height": 256,
}
TITLES = (STATUS.title, "Miniature LoRA")
LIMITS = {"steps": [1, 2, 4, 8], "sizes": [[256, 256], [384, 256]], "maxSeed": 99, "maxGuidance": 2}
READ = """async ([request, limits, name, text]) => {
  const { axes } = await import(new URL("web/compare_axes.js", document.baseURI));
  try {
    return { values: axes(request, limits)[name].read(text) };
  } catch ({ message }) {
    return { message };
  }
}"""
CELLS = """async ([request, limits, across, down]) => {
  const { axes, cellsOf } = await import(new URL("web/compare_axes.js", document.baseURI));
  const all = axes(request, limits);
  const read = (side) => side && { axis: all[side[0]], values: all[side[0]].read(side[1]) };
  return cellsOf(request, read(across), read(down)).map(({ request, name }) => [name, request]);
}"""


def read(modules: Modules, name: str, text: str) -> Any:
    return modules.page.evaluate(READ, [REQUEST, LIMITS, name, text])


def test_values_as_they_are_written(modules: Modules) -> None:
    for name, text, values in (
        ("num_inference_steps", "8, 1", [8, 1]),
        ("seed", "3, 7-9 , 0-4:2", [3, 7, 8, 9, 0, 2, 4]),
        ("guidance_scale", "0, 1.2-1.8:0.3", [0, 1.2, 1.5, 1.8]),
        ("size", "384x256", ["384x256"]),
        ("prompt", "a cat, asleep | a dog", ["a cat, asleep", "a dog"]),
        ("negative_prompt", " | fog", ["", "fog"]),
    ):
        assert read(modules, name, text) == {"values": values}
    for name, text, words in (
        ("num_inference_steps", "3", '"3": values are one of 1, 2, 4, 8'),
        ("num_inference_steps", "", "no values"),
        ("seed", "100", "whole and from 0 to 99"),
        ("seed", "0.5", "whole and from 0 to 99"),
        ("seed", "0-99", "may have 16 values"),
        ("seed", "9-1", "ends before it begins"),
        ("seed", "1-2:0", "never ends"),
        ("seed", "-1", "is no number"),
        ("seed", "<b>", "is no number"),
        ("guidance_scale", "9", "from 0 to 2"),
        ("size", "9x9", "one of 256x256, 384x256"),
        ("prompt", "a | ", "parted by |"),
    ):
        assert words in read(modules, name, text)["message"], text


def test_cells(modules: Modules) -> None:
    def cells(*sides: Any) -> Any:
        return modules.page.evaluate(CELLS, [REQUEST, LIMITS, *sides])

    assert cells(["seed", "1, 2"], None) == [
        ["Seed 1", {**REQUEST, "seed": 1}],
        ["Seed 2", {**REQUEST, "seed": 2}],
    ]
    assert cells(["num_inference_steps", "1, 8"], ["negative_prompt", " | fog"]) == [
        ["Steps 1 · nothing left out", {**REQUEST, "num_inference_steps": 1}],
        ["Steps 8 · nothing left out", {**REQUEST, "num_inference_steps": 8}],
        ["Steps 1 · without fog", {**REQUEST, "num_inference_steps": 1, "negative_prompt": "fog"}],
        ["Steps 8 · without fog", {**REQUEST, "num_inference_steps": 8, "negative_prompt": "fog"}],
    ]
    (one,) = cells(["size", "384x256"], None)
    assert (one[1]["width"], one[1]["height"]) == (384, 256)


# Captions that are not below their own picture, in their cell and apart from the next one's.
COVERED = """() => { const box = (each) => each.getBoundingClientRect();
  return [...document.querySelectorAll(".cell")].flatMap((cell) =>
    [...cell.querySelectorAll("bdi, .time")].filter((each) =>
      box(each).top < box(cell.querySelector(".frame")).bottom - 1 || box(each).width < 40
      || box(each).bottom > box(cell).bottom + 1 || !box(each).height)
      .map(each => each.textContent)); }"""


@pytest.fixture
def open_compare(visit: Open) -> Callable[..., Visit]:
    def opened(running: Running, **options: Any) -> Visit:
        tab = visit(running, **options)
        tab.type("a house")
        tab.wait_painted("a house")
        tab.page.get_by_role("button", name="Compare", exact=True).click()
        tab.page.get_by_role("dialog").wait_for()
        return tab

    return opened


def paint(tab: Visit, cells: int) -> None:
    tab.page.get_by_role("button", name="Paint", exact=True).click()
    tab.wait(
        "(count) => lightning.comparison.grid.cells.length === count"
        " && !lightning.comparison.running",
        cells,
    )


def test_steps_are_compared_and_one_is_taken_up(
    own: Callable[..., Running], open_compare: Callable[..., Visit]
) -> None:
    tab = open_compare(own())
    page = tab.page
    paint(tab, 3)
    cells = page.locator(".cell")
    assert [cell.splitlines()[0] for cell in cells.all_inner_texts()] == [
        "Steps 2",
        "Steps 4",
        "Steps 8",
    ]
    assert all(" ms" in text for text in cells.all_inner_texts())
    assert "3 of 3 in" in tab.text("compare-says") and "$" in tab.text("compare-says")
    page.get_by_label("What varies down").select_option("prompt")
    page.get_by_label("Values down").fill("a house | a boat")
    paint(tab, 6)
    with page.expect_download() as download:
        page.get_by_role("button", name="Save the sheet").click()
    with Image.open(io.BytesIO(download.value.path().read_bytes())) as sheet:
        assert sheet.width == 16 + 3 * 272
        for row, prompt in enumerate(("a house", "a boat")):
            found = sheet.convert("RGB").getpixel((144, 16 + 128 + row * (256 + 54 + 16)))
            assert all(abs(a - b) < 20 for a, b in zip(found, color_of(prompt), strict=True))
    with page.expect_download() as download:
        page.get_by_role("button", name="Zip", exact=True).click()
    with zipfile.ZipFile(download.value.path()) as found:
        *names, manifest = found.namelist()
        assert names[0] == "01-steps-2-a-house.jpeg" and len(names) == 6
        assert (
            json.loads(found.read(manifest))[5].items()
            >= {
                "file": names[5],
                "name": "Steps 8 · a boat",
                "prompt": "a boat",
                "num_inference_steps": 8,
            }.items()
        )
        with Image.open(io.BytesIO(found.read(names[5]))) as picture:
            assert picture.format == "JPEG"
    cells.nth(0).click()
    cells.nth(5).click()
    page.get_by_role("button", name="Slide between two").click()
    page.get_by_label("Where the second picture begins").press("Home")
    assert page.locator("#compare-pair").is_visible()
    assert tab.text("compare-pair-words") == "Steps 2 · a house | Steps 8 · a boat"
    page.evaluate("lightning.comparison.grid.choose(lightning.comparison.grid.chosen[0])")
    page.get_by_role("button", name="Use this one").click()
    assert tab.wait_painted("a boat")["seed"] == FIRST_SEED
    assert tab.request()["num_inference_steps"] == 8


def test_what_is_wrong_is_said_and_one_that_fails_leaves_the_others(
    own: Callable[..., Running], open_compare: Callable[..., Visit], tabs: Tabs
) -> None:
    engine = FakeEngine()
    tab = open_compare(own(engine))
    values = tab.page.get_by_label("Values across")
    values.fill("3")
    values.press("Enter")
    assert "values are one of" in tab.text("compare-says")
    tab.page.get_by_label("What varies down").select_option("num_inference_steps")
    values.fill("2")
    values.press("Enter")
    assert tab.text("compare-says") == "Across and down vary the same."
    tab.page.get_by_label("What varies down").select_option("")
    tab.page.get_by_label("What varies across").select_option("prompt")
    values.fill("a cat | <img src=x>")
    engine.fault = lambda request: OutOfMemory("Too much.") if "<" in request.prompt else None
    paint(tab, 2)
    failed = tab.page.locator(".cell").nth(1)
    assert failed.inner_text().splitlines() == ["<img src=x>", "Too much."]
    assert "1 of 2" in tab.text("compare-says")
    engine.fault = lambda request: None
    (told,) = tabs.trouble  # the browser's own words for an answer that is none
    assert "503" in told
    tabs.trouble.clear()


def test_weights_of_another_server(
    own: Callable[..., Running], open_compare: Callable[..., Visit], tabs: Tabs
) -> None:
    """A server holds one model; the pictures of another come from there."""
    other = own(FakeEngine(status=replace(STATUS, title="Miniature LoRA")), max_sessions=99)
    tab = open_compare(own(compare_with=other.url))
    across = tab.page.get_by_label("What varies across")
    across.locator("option[value=weights]").wait_for(state="attached")
    across.select_option("weights")
    tab.page.get_by_label("What varies down").select_option("seed")
    tab.page.get_by_label("Values down").fill("1, 2")
    paint(tab, 4)
    cells = tab.page.locator(".cell").all_inner_texts()
    names = [text.splitlines()[0] for text in cells]
    assert names == [f"{name} · Seed {seed}" for seed in (1, 2) for name in TITLES]
    there: FakeEngine = other.engine
    assert sorted(work.request.seed for work in there.works) == [1, 2]
    assert all(work.yields for work in there.works)


def test_on_a_phone_and_stopped_by_closing(
    own: Callable[..., Running], open_compare: Callable[..., Visit]
) -> None:
    engine = FakeEngine()
    tab = open_compare(own(engine), viewport=PHONE)
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= 390
    tab.page.get_by_label("What varies across").select_option("seed")
    tab.page.get_by_label("Values across").fill("0-15")
    engine.step_seconds = 0.2
    tab.page.get_by_role("button", name="Paint", exact=True).click()
    tab.page.locator(".cell").nth(15).wait_for(state="attached")
    tab.page.keyboard.press("Escape")
    tab.page.get_by_role("dialog").wait_for(state="hidden")
    tab.wait("() => lightning.comparison.running === null")
    engine.step_seconds = 0.005
    tab.type("typed on")
    tab.wait_painted("typed on")


def test_two_that_are_chosen_early_slide_once_they_are_painted(
    own: Callable[..., Running], open_compare: Callable[..., Visit]
) -> None:
    engine = FakeEngine()
    tab = open_compare(own(engine))
    engine.hold()
    tab.page.get_by_label("Values across").fill("2, 8")
    tab.page.get_by_role("button", name="Paint", exact=True).click()
    for cell in range(2):
        tab.page.locator(".cell").nth(cell).click()
    slide = tab.page.get_by_role("button", name="Slide between two")
    assert slide.is_disabled()
    engine.release()
    tab.wait("() => !document.getElementById('compare-slide').disabled")
    slide.click()
    assert tab.page.locator("#compare-pair").is_visible()


def test_every_cell_has_its_caption_in_view(
    own: Callable[..., Running], open_compare: Callable[..., Visit]
) -> None:
    """Below its picture and above the next one, also where many rows share the window."""
    tab = open_compare(own())
    tab.page.get_by_label("What varies down").select_option("seed")
    tab.page.get_by_label("Values down").fill("1-4")
    paint(tab, 12)
    for viewport in (DESKTOP, PHONE):
        tab.resize(viewport)
        covered = tab.page.evaluate(COVERED)
        assert covered == [], viewport
