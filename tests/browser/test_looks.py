"""Layout, themes, keyboard and labels: nothing moves, everything can be reached and named."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from ..web.conftest import Running
from .conftest import DESKTOP, PHONE, Visit

Open = Callable[..., Visit]
# Of a page at each width; LIGHTNING_TEST_LOADS=5 looks five times, which takes long.
LOADS = int(os.environ.get("LIGHTNING_TEST_LOADS", "1"))
TABLET = {"width": 768, "height": 1024}
BOXES = """() => ["masthead", "prompt", "stage", "line", "actions", "controls"].map(
  name => { const b = document.getElementById(name).getBoundingClientRect();
            return [name, b.x, b.y, b.width, b.height].join(" "); })"""
SHIFTS = """() => { globalThis.shifted = 0;
  new PerformanceObserver(list => { for (const entry of list.getEntries())
    globalThis.shifted += entry.value; }).observe({ type: "layout-shift" }); }"""
NAMELESS = """() => [...document.querySelectorAll("input, textarea, button, canvas")]
  .filter(e => e.checkVisibility() || e.type === "radio")
  .filter(e => !(e.labels?.length && [...e.labels].some(l => l.textContent.trim()))
    && !e.getAttribute("aria-label") && !e.textContent.trim())
  .map(e => e.outerHTML.slice(0, 120))"""


def test_nothing_moves_while_frames_stream(again: Visit) -> None:
    tab = again
    tab.page.evaluate("document.fonts.ready.then(() => null)")
    for viewport, place in ((DESKTOP, "mountains"), (PHONE, "hills")):
        tab.resize(viewport)
        before = tab.page.evaluate(BOXES)
        tab.page.evaluate(SHIFTS)
        tab.type(f"a yellow balloon over the {place} by day, and more words than fit on a line")
        tab.wait_answered()
        assert tab.page.evaluate(BOXES) == before
        assert tab.page.evaluate("globalThis.shifted") < 0.001


@pytest.mark.parametrize("viewport", [DESKTOP, TABLET, PHONE], ids=["desktop", "tablet", "phone"])
def test_little_moves_while_the_page_is_mounted_and_while_somebody_types(
    own: Callable[..., Running], visit: Open, viewport: dict[str, int]
) -> None:
    """What comes first is another thing each time, on a machine with much to do."""
    running = own()
    tab = visit(running, viewport=viewport, init=f"({SHIFTS})()")
    for load in range(LOADS):
        if load:
            tab.open(running.url)
        tab.wait_answered()
        assert tab.page.evaluate("globalThis.shifted") < 0.1
        tab.page.evaluate("globalThis.shifted = 0")
        tab.type(f"a {'very ' * 30 * ((load + 1) % 2)}yellow balloon by day", keys=8)
        tab.wait_answered()
        # Also by its tokens, which are counted later.
        tab.wait("() => !document.getElementById('tokens').textContent.startsWith('–')")
        assert tab.page.evaluate("globalThis.shifted") < 0.02


def test_a_phone_shows_prompt_and_picture_together(
    own: Callable[..., Running], visit: Open
) -> None:
    tab = visit(own(), viewport=PHONE, has_touch=True, is_mobile=True)
    tab.wait_answered()
    page = tab.page
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    prompt, stage, controls = (
        page.locator(f"#{name}").bounding_box() for name in ("prompt", "stage", "controls")
    )
    assert prompt and stage and controls
    assert 0 <= prompt["y"] < stage["y"]
    assert stage["y"] + stage["height"] < 844 * 0.65
    assert stage["width"] > 340
    assert controls["y"] > stage["y"] + stage["height"]
    page.evaluate("window.scrollTo(0, 300)")
    box = page.locator("#prompt").bounding_box()
    assert box and 0 <= box["y"] < 20, "the prompt stays in reach"


def test_a_desktop_has_the_controls_beside_a_large_picture_and_no_width_scrolls_sideways(
    again: Visit,
) -> None:
    tab = again
    stage, controls = (tab.page.locator(f"#{n}").bounding_box() for n in ("stage", "controls"))
    assert stage and controls
    assert stage["width"] == stage["height"] > 550
    assert controls["x"] > stage["x"] + stage["width"]
    assert stage["y"] + stage["height"] < 900
    for width in (320, 600, 820, 821, 1024, 1920):
        tab.page.set_viewport_size({"width": width, "height": 900})
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= width


def test_light_and_dark_differ(own: Callable[..., Running], visit: Open) -> None:
    running, script = own(), "e => getComputedStyle(e).backgroundColor"
    shades, tab = [], visit(running)
    page = tab.page
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        if scheme == "dark":
            tab.open(running.url)
        color = page.locator("#prompt label").evaluate(script)
        shades.append(sum(int(part) for part in color[4:-1].split(",")))
    page.emulate_media(color_scheme="light")  # as for everybody else
    assert shades[0] > 600 and shades[1] < 150


def test_everything_has_a_name_and_the_keyboard_reaches_it_and_chooses(
    again: Visit,
) -> None:
    tab = again
    tab.open_drawer()
    assert tab.page.evaluate(NAMELESS) == []
    reached = []
    for _ in range(34):
        tab.page.keyboard.press("Tab")
        reached.append(
            tab.page.evaluate("document.activeElement.closest('[id]:not([id^=range])')?.id")
        )
    wanted = [
        "pause",
        "download",
        "link",
        "steps",
        "size",
        "seed",
        "seed-lock",
        "dice",
        "drawer-open",
    ]
    places = [reached.index(name) for name in [*wanted, "guidance", "negative"]]
    assert places == sorted(places)
    tab.page.locator("#steps input[value='2']").focus()
    tab.page.keyboard.press("Space")
    tab.wait("() => lightning.request.num_inference_steps === 2")
    tab.page.locator("#seed-lock input").focus()
    tab.page.keyboard.press("Space")
    tab.wait("() => lightning.seedLocked === false")
    before = tab.prompt.input_value()
    tab.prompt.press("Enter")
    assert tab.prompt.input_value() == before, "a prompt is one line"


def test_the_drawer_is_closed_at_first_and_nothing_in_it_works_unseen(
    own: Callable[..., Running], visit: Open
) -> None:
    running = own()
    tab = visit(running)
    page, button = tab.page, tab.page.locator("#drawer-open")
    tab.wait_answered()
    inside = page.get_by_label("Negative prompt")
    assert inside.is_hidden() and button.get_attribute("aria-expanded") == "false"

    # Another request, by a link: what acts is told.
    tab.open(f"{running.url}/?guidance_scale=1.5&negative_prompt=fog")
    tab.wait_answered()
    assert tab.text("drawer-says") == "guidance 1.5, without fog"
    button.press("Enter")
    assert inside.is_visible()
    page.get_by_label("number input for Guidance").fill("1")
    tab.wait("() => !document.getElementById('drawer-says').textContent")

    # As it was left.
    tab.open(running.url)
    assert inside.is_visible() and button.get_attribute("aria-expanded") == "true"
    button.click()
    assert inside.is_hidden()

    # What is wrong in it is shown.
    tab.wait_answered()
    page.evaluate("lightning.panel.error({ field: 'guidance_scale', message: 'too much' })")
    assert page.get_by_text("Too much").is_visible()
    tab.open(running.url)
    assert inside.is_hidden()
    page.evaluate("localStorage.clear()")
