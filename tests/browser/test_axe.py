"""axe-core looks at every view, light and dark, and finds nothing serious."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page

from lightning_demo.bench.screenshots import PAGE_VIEWS

from ..web.api.javascript import MODULES
from ..web.conftest import Running
from .conftest import DESKTOP, PHONE, Tabs, Visit
from .hall import BOTH, Clock, Talk, send, until

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


def test_the_login(own: Callable[..., Running], tabs: Tabs, auditor: Auditor) -> None:
    page = tabs.open()
    page.goto(own(auth="ada:secret").url)
    page.get_by_label("username").fill("ada")
    page.get_by_label("password").fill("a guess")
    auditor.look(page, "a login")
    page.keyboard.press("Enter")
    page.get_by_text("Incorrect credentials").wait_for()
    auditor.look(page, "a login with a wrong password")
    page.set_viewport_size(PHONE)
    auditor.look(page, "a login on a phone")
    tabs.leave(page)
    tabs.trouble.clear()  # the browser's own words for an answer that is none


def test_a_talk(
    talk: Talk,
    browser: Browser,
    auditor: Auditor,
    clock: Clock,
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
    until(wall, "() => wall.scene")
    auditor.look(wall, "the wall", ("light",))
    page.locator("#desk-battle [data-verb=gather]").click()
    wall.locator(".board").wait_for()
    auditor.look(wall, "a battle on the wall", ("light",))
    phone.locator("#battle").wait_for()
    auditor.look(phone, "a battle on a phone")
    auditor.look(page, "the desk in a battle")
    page.locator("#desk-battle [data-verb=stop]").click()
    page.locator("#desk-battle-lines").fill("the sea")
    page.locator("#desk-battle-players").select_option("keyboards")
    page.locator("#desk-battle [data-verb=gather]").click()
    with page.expect_popup() as popup:
        page.locator("#desk-battle [data-verb=both]:visible").click()
    seats = popup.value
    seats.locator(".seat").nth(1).wait_for()
    page.wait_for_function(BOTH)
    auditor.look(seats, "the seats of a battle before it")
    page.locator("#desk-battle [data-verb=start]:visible").click()
    begun = "() => ['countdown', 'typing'].includes(battle.seats[0].state.phase)"
    until(seats, begun)
    clock.skip(3)
    seats.locator("textarea:enabled").nth(1).fill("a blue whale")
    until(seats, "() => battle.seats[1].painter.last")
    auditor.look(seats, "the seats of a battle, typing")
    seats.set_viewport_size(PHONE)
    auditor.look(seats, "the seats of a battle on a small screen")
    seats.close()
    wall.set_viewport_size(PHONE)
    for path in ("stage", "battle", "audience"):
        wall.goto(f"{talk.running.url}/{path}")
        wall.locator("#ask").wait_for()
        auditor.look(wall, f"/{path} asks for a code")
    context.close()


def test_the_dialogs_of_the_studio(
    own: Callable[..., Running], visit: Open, auditor: Auditor
) -> None:
    """With something in them, as `screenshots` shows them."""
    tab = visit(own())
    tab.wait_answered()
    both = ("compare-grid", "batch-list")  # with all colours that dialogs have
    dialogs = ("history", "morph", "compare", "compare-grid", "compare-pair", "batch-list", "batch")
    for view in dialogs:
        show, leave = PAGE_VIEWS[view]
        tab.page.evaluate(show)
        auditor.look(tab.page, view, ("light", "dark") if view in both else ("light",))
        if leave:
            tab.page.evaluate(leave)
