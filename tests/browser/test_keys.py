"""The keyboard's map: `?` shows what keys do, and they do it; letters in a field are letters."""

from __future__ import annotations

from collections.abc import Callable

from lightning_demo.web.ui.controls import FIRST_SEED

from ..web.conftest import Running
from .conftest import Visit

Open = Callable[..., Visit]
# Each key that is a command by itself, with a sign that it has done what it says.
DONE = {
    "p": "lightning.paused",
    "r": f"lightning.request.seed !== {FIRST_SEED}",
    "l": "!lightning.seedLocked",
    "m": "lightning.drawer.isOpen",
    "t": "!document.getElementById('waterfall').hidden",
    "n": "!document.getElementById('timeline-menu').hidden",
    "y": "lightning.timeline.running || played",
    "c": "document.getElementById('compare').open",
    "q": "document.getElementById('batch').open",
    "h": "document.getElementById('prompt-history').open",
    "v": "document.getElementById('morph').open",
    "w": "!document.getElementById('tokens-read').hidden",
    "k": "linked",
    "s": "saved",
    "o": "chosen",
    "/": "document.activeElement.closest('#prompt')",
    "?": "document.getElementById('keys').open",
}
SEEN = """() => {
  globalThis.played = globalThis.saved = globalThis.chosen = globalThis.linked = false;
  lightning.actions.copyLink = async () => { linked = true; };
  lightning.timeline.play = async () => { played = true; };
  lightning.actions.download = async () => { saved = true; };
  HTMLInputElement.prototype.click = ((click) => function () {
    if (this.type === "file") chosen = true; else click.call(this); })(HTMLElement.prototype.click);
}"""
BOUND = """async () => (await import(new URL("web/keys.js", document.baseURI))).GROUPS
  .filter(({ single }) => single).flatMap(({ keys }) => keys.flatMap(each => each.keys))"""


def test_what_keys_do_is_shown_and_done(own: Callable[..., Running], visit: Open) -> None:
    tab = visit(own(stage=True))
    page, keyboard = tab.page, tab.page.keyboard
    tab.wait_answered()
    page.evaluate(SEEN)
    assert sorted(page.evaluate(BOUND)) == sorted(DONE)

    # In the prompt they are letters.
    tab.prompt.fill("")
    keyboard.type("?plt")
    assert tab.prompt.input_value() == "?plt"
    assert not page.evaluate("document.getElementById('keys').open || lightning.paused")

    for key, sign in DONE.items():
        if key == "y":
            tab.wait("() => !document.getElementById('timeline-play').disabled")
        page.evaluate("document.activeElement.blur()")
        keyboard.press(key)
        tab.wait(f"() => Boolean({sign})")
        if key == "p":
            keyboard.press("p")  # or nothing more would be painted
        if key in "tn":
            keyboard.press("Escape")
            tab.wait(f"() => !({sign})")
        if key in "cqhv?":
            keyboard.press("Escape")
            tab.wait("() => !document.querySelector('dialog[open]')")

    # By its button, too; all that is bound is in it, and Escape closes it.
    page.locator("#keys-open").click()
    dialog = page.get_by_role("dialog", name="Keys")
    shown = dialog.locator("kbd").all_inner_texts()
    assert {key.upper() for key in DONE} | {"Tab", "Page ↓", "B", "F"} <= set(shown)
    keyboard.press("p")
    dialog.get_by_label("single keys are commands").uncheck()
    keyboard.press("Escape")
    assert dialog.is_hidden()

    # Whoever speaks to a computer does not want letters to be commands; it is remembered.
    paused = page.evaluate("lightning.paused")
    keyboard.press("p")
    keyboard.press("?")
    tab.wait("() => document.getElementById('keys').open")
    assert page.evaluate("lightning.paused") == paused
    assert page.evaluate("localStorage.getItem('lightning-single-keys')") == "no"
    page.evaluate("localStorage.clear()")


def test_nothing_moves_for_whoever_wants_that(own: Callable[..., Running], visit: Open) -> None:
    tab = visit(own())
    tab.page.emulate_media(reduced_motion="reduce")
    tab.wait_answered()
    page = tab.page
    for opener in ("#times", "#timeline-more", "#keys-open"):
        page.locator(opener).click()
    page.evaluate("lightning.panel.status = null; lightning.panel.show()")  # whose sign breathes
    page.evaluate("new Promise(end => requestAnimationFrame(() => setTimeout(end)))")
    assert page.evaluate("document.getAnimations().map(each => each.animationName)") == []
    moving = page.evaluate(
        """() => [...document.querySelectorAll("*")].filter(e => e.checkVisibility())
        .filter(e => [null, "::before", "::after", "::backdrop"].some(part => {
          const style = getComputedStyle(e, part);
          return parseFloat(style.transitionDuration) > 0 && style.transitionProperty !== "none" ||
            parseFloat(style.animationDuration) > 0 && style.animationName !== "none"; }))
        .map(e => e.outerHTML.slice(0, 100))"""
    )
    assert moving == []
    page.emulate_media(reduced_motion="no-preference")
