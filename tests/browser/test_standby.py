"""The page while the miniature stands in for a model that loads, over both transports."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lightning_demo.model.weights.checkpoints import SDXL_LIGHTNING

from ..web.conftest import Running, wait_for
from ..web.fakes import FakePair, color_of, wanted_color
from .conftest import DESKTOP, PHONE, Visit
from .test_live import near
from .test_looks import BOXES, SHIFTS

Open = Callable[..., Visit]
ABOUT = "words => document.getElementById('about').textContent.includes(words)"
CHANGED = "SDXL-Lightning paints from here on."
SHOWN = "() => [...document.querySelectorAll('.of-model:not(.away)')].map(e => e.innerText).join()"


@pytest.mark.parametrize("transport", ["socket", "events"])
def test_it_stands_in_and_changes_over(
    own: Callable[..., Running], visit: Open, transport: str
) -> None:
    pair = FakePair()
    tab = visit(own(pair.engine, transport=transport))
    example = tab.prompt.input_value()
    assert tab.wait_painted(example)["model"] == "miniature"
    assert near(tab.color(), color_of(example))
    tab.wait(ABOUT, "Miniature · stand-in · cpu")
    words = tab.page.get_by_text("SDXL-Lightning is loading: Downloading, 1.2 of 5.1 GB")
    words.wait_for()
    bar = tab.page.get_by_role("progressbar", name="SDXL-Lightning is loading")
    assert bar.get_attribute("aria-valuenow") == "24"
    pair.wanted.say(detail="Downloading, 4.9 of 5.1 GB", progress=0.96)
    tab.wait("() => document.getElementById('loading-percent').textContent === '96 %'")
    tab.type("a boat")
    tab.wait_painted("a boat")
    tab.listen("note")
    pair.arrive()
    tab.wait("() => lightning.painted.at(-1).model === 'sdxl-lightning'")
    tab.wait_painted("a boat")
    assert near(tab.color(), wanted_color("a boat"))
    tab.wait_said(CHANGED)
    tab.wait(ABOUT, "NVIDIA H200")
    assert not words.is_visible() and not bar.is_visible()
    assert "stand-in" not in tab.text("about")
    assert pair.wanted.requests[-1].width == 1024
    assert all(request.width == 256 for request in pair.small.requests)
    wait_for(lambda: pair.small.closed)


def test_the_controls_are_the_wanted_models_and_the_words_those_of_who_paints(
    own: Callable[..., Running], visit: Open
) -> None:
    pair = FakePair()
    tab = visit(own(pair.engine))
    tab.wait_answered()
    size, steps = tab.page.locator("#size"), tab.page.locator("#steps")
    sizes = [f"{width} × {height}" for width, height in SDXL_LIGHTNING.sizes]
    assert size.locator("label").all_inner_texts() == sizes
    assert steps.locator("input:enabled").count() == 4
    assert size.get_attribute("data-painted") == "painted at 256 × 256"
    assert tab.page.title().endswith("Miniature")
    size.get_by_text("1216 × 832").click()
    tab.wait("() => document.getElementById('size').dataset.painted === 'painted at 384 × 256'")
    assert tab.text("prompt-note") == ""
    shown = tab.page.evaluate(SHOWN)
    assert "Words it knows" in shown and "astronaut" not in shown
    pair.arrive()
    tab.wait("() => lightning.painted.at(-1).model === 'sdxl-lightning'")
    tab.wait("() => document.getElementById('size').dataset.painted === ''")
    assert pair.wanted.requests[-1].width == 1216
    shown = tab.page.evaluate(SHOWN)
    assert "Words it knows" not in shown and "astronaut" in shown
    assert size.locator("label").all_inner_texts() == sizes
    assert steps.locator("input:enabled").count() == 4
    assert tab.page.title().endswith("SDXL-Lightning")


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_neither_progress_nor_the_changeover_moves_anything(
    own: Callable[..., Running], visit: Open, viewport: dict[str, int]
) -> None:
    pair = FakePair()
    tab = visit(own(pair.engine), viewport=viewport)
    tab.wait_answered()
    tab.page.locator("#loading-model").wait_for()
    tab.page.evaluate("document.fonts.ready.then(() => null)")
    before = tab.page.evaluate(BOXES)
    tab.page.evaluate(SHIFTS)
    pair.wanted.say(detail="Downloading a file with a very long name, 4.95 of 5.10 GB" * 2)
    tab.wait("() => document.getElementById('loading-model').textContent.includes('4.95')")
    assert tab.page.evaluate(BOXES) == before
    tab.page.evaluate("lightning.panel.note('The link is in the address bar', 'problem')")
    assert tab.page.get_by_text("The link is in the address bar").is_visible()
    assert not tab.page.locator("#loading-words").is_visible(), "one thing is said at a time"
    pair.arrive()
    tab.wait("() => lightning.painted.at(-1).model === 'sdxl-lightning'")
    tab.wait_answered()
    assert tab.page.evaluate(BOXES) == before
    # Only what is below the words, which are those of the model that paints.
    assert tab.page.evaluate("globalThis.shifted") < 0.01
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]


def test_if_it_never_comes_the_page_says_why_and_goes_on(
    own: Callable[..., Running], visit: Open
) -> None:
    pair = FakePair()
    tab = visit(own(pair.engine))
    tab.wait_answered()
    pair.fail()
    sentence = f"Miniature goes on without SDXL-Lightning: {pair.MISSING}"
    words = tab.page.get_by_text(sentence)
    words.wait_for()
    assert not tab.page.get_by_role("progressbar").is_visible()
    tab.type("a boat")
    assert tab.wait_painted("a boat")["model"] == "miniature"
    assert words.is_visible(), "a picture takes no word back"
    assert "stand-in" not in tab.text("about")


def test_a_paused_page_changes_over_when_it_goes_on(
    own: Callable[..., Running], visit: Open
) -> None:
    pair = FakePair()
    tab = visit(own(pair.engine))
    tab.wait_answered()
    color = tab.color()
    tab.page.get_by_role("button", name="Pause").click()
    tab.listen("note")
    pair.arrive()
    tab.wait_said(CHANGED)
    assert tab.color() == color and pair.wanted.requests == []
    tab.page.get_by_role("button", name="Resume").click()
    tab.wait("() => lightning.painted.at(-1).model === 'sdxl-lightning'")
