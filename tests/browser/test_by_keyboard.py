"""All of the studio by keyboard alone: each stop of the Tab key can be seen, and does its work."""

from __future__ import annotations

from collections.abc import Callable

from ..web.conftest import Running
from .conftest import Visit
from .test_timeline import ALL_KEPT, FORGET, WORDS, kept, paint

Open = Callable[..., Visit]
MOST_STOPS = 150  # of the Tab key, between any two places
# Where the keyboard is, by an id; nothing where that cannot be seen. The prompt has a border.
FOCUSED = """() => {
  const at = document.activeElement;
  const shown = at.type === "radio" || at.type === "checkbox" ? at.closest("label") : at;
  const { outlineStyle, outlineWidth } = getComputedStyle(shown);
  const seen = (outlineStyle !== "none" && parseFloat(outlineWidth) >= 2) || at.closest("#prompt");
  if (at !== document.body && !seen) throw new Error(`unseen: ${at.outerHTML.slice(0, 120)}`);
  return at.id || at.closest("[id]")?.id;
}"""


def to(tab: Visit, name: str, key: str = "Tab") -> None:
    """Goes on to a place."""
    met = []
    for _ in range(MOST_STOPS):
        tab.page.keyboard.press(key)
        met.append(tab.page.evaluate(FOCUSED))
        if met[-1] == name:
            return
    raise AssertionError(f"{name} is not among {met}")


def press(tab: Visit, name: str, *keys: str) -> None:
    """Goes on to a place, and presses keys there."""
    to(tab, name)
    for key in keys:
        tab.page.keyboard.press(key)


def test_the_timeline_and_what_helps_with_a_prompt(
    own: Callable[..., Running], visit: Open
) -> None:
    tab = visit(own())
    page, keyboard = tab.page, tab.page.keyboard
    tab.wait_answered()
    page.evaluate(ALL_KEPT)
    page.evaluate(FORGET)
    paint(tab, *WORDS)

    press(tab, "timeline-play", "Enter")
    tab.wait("(last) => !lightning.timeline.running && lightning.request.prompt === last", WORDS[2])
    press(tab, "timeline-scrub", "ArrowLeft")
    tab.wait_painted(WORDS[1])
    keyboard.press("ArrowLeft")
    tab.wait_painted(WORDS[0])
    page.evaluate(ALL_KEPT)  # it is the chosen one from then on
    press(tab, "timeline-more", "Enter")
    keyboard.type("the first")
    press(tab, "timeline-pin", "Space")
    tab.wait("() => lightning.timeline.entries[0].pinned")
    assert page.evaluate("lightning.timeline.entries[0].name") == "the first"
    press(tab, "timeline-clear", "Enter", "Enter")
    tab.wait("() => lightning.timeline.entries.length === 1")
    assert kept(tab) == [WORDS[0]]
    keyboard.press("Escape")
    assert page.evaluate(FOCUSED) == "timeline-more"

    press(tab, "style", "ArrowDown")
    tab.wait("() => lightning.request.style")
    press(tab, "tokens", "Enter")
    page.locator("#tokens-read").wait_for()
    noted = "(prompt) => lightning.tools.history.entries.some(each => each.prompt === prompt)"
    tab.wait(noted, WORDS[0])
    press(tab, "prompt-history-open", "Enter")
    tab.wait("() => document.getElementById('prompt-history').open")
    keyboard.type("house red")
    press(tab, "prompt-history-list", "Enter")
    tab.wait("() => !document.getElementById('prompt-history').open")
    tab.wait_painted(WORDS[0])
    assert page.evaluate(FOCUSED) == "prompt"

    press(tab, "morph-open", "Enter")
    tab.wait("() => document.getElementById('morph').open")
    keyboard.type("a sledge")
    keyboard.press("Enter")
    tab.wait("() => !document.getElementById('morph-use').disabled")
    press(tab, "morph-at", "End")
    press(tab, "morph-strip", "Space")
    press(tab, "morph-use", "Enter")
    tab.wait("() => !document.getElementById('morph').open")
    page.evaluate(FORGET)


def test_what_is_compared_and_lists(own: Callable[..., Running], visit: Open) -> None:
    """Over Gradio's events; the other test is over sockets."""
    tab = visit(own(transport="events"))
    page, keyboard = tab.page, tab.page.keyboard
    tab.wait_answered()

    press(tab, "compare-open", "Enter")
    to(tab, "compare-across-values", "Shift+Tab")
    keyboard.press("Control+A")
    keyboard.type("2, 8")
    keyboard.press("Enter")
    tab.wait("() => lightning.comparison.grid.cells.length === 2 && !lightning.comparison.running")
    press(tab, "compare-zoom", "ArrowRight", "ArrowRight", "ArrowRight", "ArrowRight")
    to(tab, "compare-grid", "Shift+Tab")
    where = "(g => [g.style.getPropertyValue('--x'), g.style.getPropertyValue('--y')])"
    keyboard.press("ArrowRight")
    keyboard.press("ArrowUp")
    assert page.evaluate(f"{where}(document.getElementById('compare-grid'))") == ["60%", "40%"]
    keyboard.press("Enter")
    to(tab, "compare-grid", "Shift+Tab")
    keyboard.press("Enter")
    press(tab, "compare-slide", "Enter")
    assert page.evaluate(FOCUSED) == "compare-split"
    keyboard.press("End")
    assert page.locator("#compare-pair").is_visible()
    press(tab, "compare-slide", "Enter")
    assert page.locator("#compare-grid").is_visible()
    to(tab, "compare-grid", "Shift+Tab")
    keyboard.press("Enter")
    press(tab, "compare-use", "Enter")
    tab.wait("() => !document.getElementById('compare').open")
    tab.wait_answered()

    press(tab, "batch-open", "Enter")
    tab.wait("() => document.activeElement.id === 'batch-text'")
    keyboard.type("a red house\na blue boat")
    press(tab, "batch-check", "Enter")
    page.locator("#batch-paint").wait_for()
    press(tab, "batch-paint", "Enter")
    tab.wait("() => lightning.batch.run && !lightning.batch.run.running")
    to(tab, "batch-save")
    with page.expect_download() as download:
        keyboard.press("Enter")
    assert download.value.suggested_filename == "lightning-batch.zip"
    press(tab, "batch-new", "Enter", "Enter")
    tab.wait("() => document.activeElement.id === 'batch-text'")
    keyboard.press("Escape")
    assert page.evaluate(FOCUSED) == "batch-open"
