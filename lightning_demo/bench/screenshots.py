"""Pictures of every view, light and dark, at three widths: `python -m lightning_demo screenshots`.

They are of servers with the miniature that are started for this: with a talk and its audience, and
of a public screen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .chromium import chromium
from .servers import launch

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

SIZES = {390: 844, 768: 1024, 1440: 900}  # px: width, height
SCHEMES = ("light", "dark")
PATIENCE = 60_000  # ms
SERVE = ("--host", "127.0.0.1", "--model", "miniature")
STAGED = ("--stage", "--audience")
PUBLIC = ("--auth", "ada:secret", "--kiosk", "600")
PUBLIC_VIEWS = ("login", "kiosk")
PAINTED = "() => globalThis.lightning?.painted.at(-1)?.final"
# What a page is made to show, and how it is left again; "" for what goes with the next view.
PAGE_VIEWS: dict[str, tuple[str, str]] = {
    "page": ("", ""),
    "drawer": (
        "lightning.drawer.open(true); document.getElementById('metrics-panel').open = true",
        "lightning.drawer.open(false); document.getElementById('metrics-panel').open = false",
    ),
    "times": ("lightning.waterfall.toggle(true)", "lightning.waterfall.toggle(false)"),
    "timeline-menu": ("lightning.timeline.menu.open(true)", "lightning.timeline.menu.open(false)"),
    "tokens": ("lightning.tools.openRead(true)", "lightning.tools.openRead(false)"),
    "history": (
        """localStorage.setItem("lightning-prompts", JSON.stringify(
          ["a red house by the sea at night", "two blue birds in the hills", "a cat"].map(
          (prompt, at) => ({ prompt, negative_prompt: "", style: at ? "" : "Paper cut" }))));
        lightning.tools.history.open()""",
        "lightning.tools.history.dialog.close()",
    ),
    "morph": (
        "lightning.tools.morph().then(() => lightning.tools.morphing.go())",
        "lightning.tools.morphing.dialog.close()",
    ),
    "keys": ("lightning.keys.open()", "lightning.keys.dialog.close()"),
    "dropping": (
        "document.documentElement.classList.add('dropping')",
        "document.documentElement.classList.remove('dropping')",
    ),
    "compare": ("lightning.actions.compare().then(() => lightning.comparison.go())", ""),
    "compare-grid": (
        """document.getElementById("compare-down").value = "seed";
        lightning.comparison.offer("down");
        document.getElementById("compare-down-values").value = "1-3";
        lightning.comparison.go()""",
        "",
    ),
    "compare-pair": (
        """{ const { grid } = lightning.comparison;
        [0, 3].forEach(at => grid.choose(grid.cells[at])); grid.slide(); }""",
        "lightning.comparison.dialog.close()",
    ),
    "batch-list": (
        """lightning.actions.openBatch().then(() => { document.getElementById("batch-text").value =
          "a {red, blue} house at {sunset, night}\\na cat in the snow\\na {dog\\na __bird__";
        return lightning.batch.list.check(); })""",
        "",
    ),
    "batch": (
        """lightning.batch.begin().then(() => new Promise(go => { const look = setInterval(
          () => lightning.batch.run.running || go(clearInterval(look)), 50); }))""",
        "lightning.batch.store.begin(null); lightning.batch.dialog.close()",
    ),
    "picture-dialog": (
        """(async () => { const { whatOf } = await import(
          new URL("web/picture_dialog.js", document.baseURI));
          const blob = await new Promise(go => document.getElementById("canvas").toBlob(go));
          whatOf(blob, { prompt: "a red fox", negative_prompt: "fog" }, "4 steps, seed 7"); })()""",
        "document.getElementById('picture-dialog').close()",
    ),
    "empty-prompt": (
        "lightning.panel.error({ field: 'prompt', message: 'The prompt is empty.' })",
        "lightning.panel.clearErrors()",
    ),
    "error": (
        "lightning.panel.note('The picture could not be saved; try again.', 'problem')",
        "lightning.panel.note('')",
    ),
    "reconnecting": (
        "lightning.panel.online = false; lightning.panel.show()",
        "lightning.panel.online = true; lightning.panel.show()",
    ),
    # These take the picture away, as before the first one.
    "offline": (
        "lightning.panel.online = false; lightning.panel.paintedAt = 0;"
        " lightning.painter.clear(); lightning.panel.show()",
        "lightning.panel.online = true",
    ),
    "failed": (
        "lightning.panel.status = { ...lightning.panel.status, state: 'failed',"
        " detail: 'The model could not be downloaded: the disk is full.' }; lightning.panel.show()",
        "",
    ),
    "loading": (
        "lightning.panel.status = { ...lightning.panel.status, state: 'loading', progress: 0.4,"
        " detail: 'Downloading the model' }; lightning.panel.show()",
        "",
    ),
}


def screenshots(out: Path, views: Sequence[str] = ()) -> int:
    """Takes them all, or those of some views; returns how many there are.

    Raises:
        InvalidSetting: there is no browser, or nothing to drive one.
    """
    out.mkdir(parents=True, exist_ok=True)
    command = ["-m", "lightning_demo", "serve", "--port", "0", *SERVE]
    count = 0
    with chromium() as browser:
        for options, shown in ((STAGED, _views), (PUBLIC, _public)):
            if views and options is PUBLIC and not set(views) & set(PUBLIC_VIEWS):
                continue
            with launch([*command, *options]) as server:
                server.wait()
                for context, name in _contexts(browser):
                    for view, page in shown(context, server.url, views):
                        page.screenshot(path=out / f"{view}-{name}.png")
                        count += 1
    return count


def _contexts(browser: Browser) -> Iterator[tuple[BrowserContext, str]]:
    """A browser of every width and scheme, and a name for it."""
    for width, height in SIZES.items():
        for scheme in SCHEMES:
            context = browser.new_context(
                viewport={"width": width, "height": height},
                color_scheme="dark" if scheme == "dark" else "light",
                reduced_motion="reduce",
                bypass_csp=True,  # waiting for a condition evaluates it in the page
            )
            context.set_default_timeout(PATIENCE)
            yield context, f"{width}-{scheme}"
            context.close()


def _public(context: BrowserContext, url: str, wanted: Sequence[str]) -> Iterator[tuple[str, Page]]:
    """A public screen that asks for a login, and later whether somebody is there."""
    page = context.new_page()
    page.goto(url)
    page.get_by_label("password").wait_for()
    if not wanted or "login" in wanted:
        yield "login", page
    page.get_by_label("username").fill("ada")
    page.get_by_label("password").fill("secret")
    page.keyboard.press("Enter")
    page.wait_for_function(PAINTED)
    page.wait_for_function("() => lightning.kiosk")
    page.evaluate("lightning.kiosk.say(9); lightning.kiosk.say = () => {}")
    if not wanted or "kiosk" in wanted:
        yield "kiosk", page


def _views(context: BrowserContext, url: str, wanted: Sequence[str]) -> Iterator[tuple[str, Page]]:
    wants: Callable[[str], bool] = lambda view: not wanted or view in wanted  # noqa: E731
    page = context.new_page()
    page.goto(url)
    page.wait_for_function(PAINTED)
    page.wait_for_function("() => !lightning.timeline || lightning.timeline.entries.length")
    for view, (show, leave) in PAGE_VIEWS.items():
        if not wants(view):
            continue
        if show:
            page.evaluate(show)
        yield view, page
        if leave:
            page.evaluate(leave)
    if not wanted or set(wanted) - {*PAGE_VIEWS, *PUBLIC_VIEWS}:
        yield from ((view, page) for view, page in _talk(page, url) if wants(view))


def _talk(page: Page, url: str) -> Iterator[tuple[str, Page]]:
    """The desk on the page, and beside it the wall, a phone and a battle."""
    page.goto(url)
    page.wait_for_function(PAINTED)
    page.locator("#desk summary").first.click()
    page.wait_for_function("() => lightning.desk?.presenting")
    yield "desk", page
    code = page.evaluate("lightning.desk.state.code")
    other = page.context.new_page()
    for path in ("stage", "audience", "battle"):
        other.goto(f"{url}{path}")
        other.locator("#ask").wait_for()
        yield f"{path}-asks", other
    other.goto(f"{url}stage?code={code}")
    other.wait_for_function("() => wall.painted")
    yield "stage", other
    phone = page.context.new_page()
    phone.goto(f"{url}audience?code={code}")
    phone.locator("#number").wait_for()
    yield "phone-empty", phone
    phone.locator("#prompt").fill("a red house by the sea")
    phone.wait_for_function("() => !document.getElementById('send').disabled")
    yield "phone", phone
    page.bring_to_front()
    page.locator("#desk-battle summary").click()
    page.locator("#desk-battle [data-verb=gather]").click()
    phone.bring_to_front()
    phone.locator("#battle").wait_for()
    yield "phone-battle", phone
    other.bring_to_front()
    other.locator(".board").wait_for()
    yield "stage-battle", other
    page.bring_to_front()
    page.locator("#desk-battle").scroll_into_view_if_needed()
    yield "desk-battle", page
    page.locator("#desk-battle [data-verb=stop]").click()
    page.evaluate("sessionStorage.clear()")
