"""axe-core looks at every view, light and dark, and finds nothing serious."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page

from ..web.api.javascript import MODULES
from ..web.conftest import Running
from .conftest import DESKTOP, PHONE, Visit
from .hall import Talk, send

Open = Callable[..., Visit]
# What axe finds of what is seen, by some rules or by all: its rule, where, and why.
FOUND = """async (rules) => (await axe.run(document,
    { resultTypes: ["violations"], elementRef: false, ...(rules && { runOnly: rules }) }))
  .violations.filter(({ impact }) => ["serious", "critical"].includes(impact))
  .flatMap(({ id, nodes }) => nodes.map(({ target, any, all, none }) =>
    [id, target.join(" "), ...[...any, ...all, ...none].map(each => each.message)].join(": ")))"""


OF_COLOURS = ["color-contrast", "link-in-text-block"]  # nothing else changes with the scheme
# Colours that change are not those that stay.
STILL = """async () => { await new Promise(requestAnimationFrame);
  await new Promise(requestAnimationFrame);
  const passing = document.getAnimations().filter(each => each instanceof CSSTransition);
  await Promise.all(passing.map(each => each.finished.catch(() => null))); }"""


class Auditor:
    """Looks at pages in both schemes, and keeps what it finds by view."""

    def __init__(self) -> None:
        path = MODULES / "axe-core" / "axe.min.js"
        if not path.is_file():
            pytest.skip("there is no axe-core (npm install --prefix tests)")
        self._script = path.read_text(encoding="utf-8")
        self.found: dict[str, list[str]] = {}

    def look(self, page: Page, view: str, schemes: tuple[str, ...] = ("light", "dark")) -> None:
        if not page.evaluate("Boolean(globalThis.axe)"):
            page.evaluate(self._script)
        for scheme in schemes:
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
            # Gradio's dark mode is a class, which it sets when a page begins.
            page.evaluate(
                "dark => { if (document.querySelector('.gradio-container'))"
                " document.body.classList.toggle('dark', dark); }",
                scheme == "dark",
            )
            page.evaluate(STILL)
            found = page.evaluate(FOUND, None if scheme == schemes[0] else OF_COLOURS)
            if found:
                self.found[f"{view}, {scheme}"] = found
        page.emulate_media(color_scheme="light", reduced_motion="no-preference")
        page.evaluate("document.body.classList.remove('dark')")


@pytest.fixture
def auditor() -> Iterator[Auditor]:
    auditor = Auditor()
    yield auditor
    told = [f"{view}: {each}" for view, found in auditor.found.items() for each in found]
    assert not told, "\n".join(told)


def test_the_page_with_all_that_opens_on_it(
    own: Callable[..., Running], visit: Open, auditor: Auditor
) -> None:
    tab = visit(own())
    page = tab.page
    tab.wait_answered()
    tab.page.wait_for_function("() => lightning.timeline.entries.length")
    auditor.look(page, "at rest")
    page.locator("#metrics-panel summary").click()
    page.locator("#times").click()
    page.locator("#timeline-more").click()
    auditor.look(page, "all panels open")
    page.locator("#timeline-more").click()
    page.locator("#waterfall-close").click()
    page.locator("#metrics-panel summary").click()
    tab.open_drawer()
    page.locator("#negative textarea, #negative input").first.fill("fog")  # which does not act yet
    tab.wait_answered()
    tab.prompt.fill("")
    page.get_by_text("The prompt is empty").wait_for()
    auditor.look(page, "an error at a field")
    page.mouse.move(0, 0)
    page.evaluate("lightning.panel.online = false; lightning.panel.show()")
    auditor.look(page, "offline")
    page.locator("#keys-open").click()
    auditor.look(page, "keys")
    page.locator("#keys-close").click()
    page.locator("#compare-open").click()
    page.locator("#compare-grid").wait_for(state="attached")
    auditor.look(page, "compare")
    page.locator("#compare-close").click()
    page.evaluate(
        """async () => { const { whatOf } = await import(
        new URL("web/picture_dialog.js", document.baseURI));
        const canvas = document.getElementById("canvas");
        const blob = await new Promise(go => canvas.toBlob(go));
        whatOf(blob, { prompt: "a fox", negative_prompt: "fog" }, "4 steps, seed 7"); }"""
    )
    page.locator("#picture-dialog").wait_for()
    auditor.look(page, "a picture's settings")
    page.keyboard.press("Escape")


def test_a_talk(
    talk: Talk,
    browser: Browser,
    auditor: Auditor,
) -> None:
    page = talk.desk.page
    phone = talk.open_phone(browser)
    send(phone, "a red fox")
    auditor.look(phone, "a phone")
    page.locator("#desk-battle summary").click()
    page.locator("#desk-tray li").wait_for()
    auditor.look(page, "the desk")
    context = browser.new_context(viewport=DESKTOP)
    wall = context.new_page()
    wall.goto(f"{talk.running.url}/stage?code={talk.code}")
    wall.wait_for_function("() => wall.scene")
    auditor.look(wall, "the wall", ("light",))
    page.locator("#desk-battle [data-verb=gather]").click()
    wall.locator(".board").wait_for()
    auditor.look(wall, "a battle on the wall", ("light",))
    phone.locator("#battle").wait_for()
    auditor.look(phone, "a battle on a phone")
    auditor.look(page, "the desk in a battle")
    wall.set_viewport_size(PHONE)
    for path in ("stage", "battle", "audience"):
        wall.goto(f"{talk.running.url}/{path}")
        wall.locator("#ask").wait_for()
        auditor.look(wall, f"/{path} asks for a code")
    context.close()
