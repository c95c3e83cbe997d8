"""A talk in a real browser: the presenter's desk, a wall, phones, and the stage's own clock."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize

from ..web.conftest import PATIENCE, Running
from ..web.fakes import color_of
from .conftest import PHONE, Visit

Open = Callable[..., Visit]
ADDRESS = "http://192.168.1.5:7860"
QUARTER = ViewportSize(width=960, height=540)  # which a processor draws in a quarter of the time
SHOTS = os.environ.get("LIGHTNING_TEST_SCREENSHOTS", "")  # a folder: pictures of what is tested
SHOWN = """([prompt, colour]) => { const canvas = document.getElementById("picture");
  const [r, g, b] = canvas.getContext("2d")
    .getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data;
  const near = [r, g, b].every((value, place) => Math.abs(value - colour[place]) < 16);
  return near && document.querySelector("#caption span").textContent === prompt; }"""
# What of a page is too small for a finger, or stands out of it.
UNREACHABLE = """() => [...document.querySelectorAll("button, input, textarea")]
  .filter(e => e.checkVisibility() && getComputedStyle(e).visibility === "visible")
  .map(e => [e.id, e.getBoundingClientRect()])
  .filter(([, r]) => r.height < 44 || r.width < 44 || r.left < 0 || r.right > innerWidth)
  .map(([id]) => id)"""
# Whether a battle's two players are there, and whether it has begun: three seconds are soon over.
BOTH = """() => { const { sides } = lightning.desk.battle.state;
  return sides?.a.here && sides.b.here; }"""
BEGUN = """() => ["countdown", "typing"].includes(
  document.querySelector(".board")?.dataset.phase)"""
# All words that a wall ever shows, whoever's they are.
REMEMBER = """() => { globalThis.everShown = new Set();
  const look = () => document.querySelectorAll("#caption span, #credit, .side-words span")
    .forEach(e => everShown.add(e.textContent));
  new MutationObserver(look).observe(document.body,
    { subtree: true, childList: true, characterData: true }); look(); }"""


class Clock:
    """The stage's time: what a talk waits for, a test skips."""

    def __init__(self) -> None:
        self._skipped = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self._skipped

    def skip(self, seconds: float) -> None:
        self._skipped += seconds


class Talk:
    """A desk, and what it is followed and joined by.

    Walls and phones are browsers of their own: of two tabs in one, the hidden one is not drawn.
    """

    def __init__(self, running: Running, visit: Open) -> None:
        self.running = running
        self.trouble: list[str] = []
        self._contexts: list[BrowserContext] = []
        self.desk = visit(running)
        self.desk.wait_answered()
        self.desk.page.get_by_text("Presenter's desk").click()
        self.desk.wait("() => lightning.desk?.presenting")
        self.code: str = self.desk.page.evaluate("lightning.desk.state.code")

    def open(self, browser: Browser, path: str, **options: Any) -> Page:
        """Another computer or phone, whose troubles are this talk's."""
        context = browser.new_context(**options)
        self._contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE * 1000)
        note, ours = self.trouble.append, self.running.url
        page.on("pageerror", lambda error: note(str(error)))
        page.on("console", lambda m: note(m.text) if m.type == "error" else None)
        page.on("request", lambda r: None if ours in r.url else note(f"request to {r.url}"))
        page.goto(self.running.url + path)
        return page

    def open_wall(self, browser: Browser) -> Page:
        """With a caret that does not blink: to draw it takes half a core, again and again."""
        return self.open(browser, "/stage", viewport=QUARTER, reduced_motion="reduce")

    def open_phone(
        self, browser: Browser, code: str | None = None, viewport: ViewportSize = PHONE, **more: Any
    ) -> Page:
        """A phone that has read the code on the wall; with "" one that has not."""
        query = f"?code={code or self.code}" if code != "" else ""
        touch = {"has_touch": True, "is_mobile": True}
        return self.open(browser, f"/audience{query}", viewport=viewport, **touch, **more)

    def press(self, key: str) -> None:
        """A key while no field has the cursor."""
        self.desk.page.evaluate("document.activeElement.blur()")
        self.desk.page.keyboard.press(key)

    def close(self) -> None:
        for context in self._contexts:
            context.close()
        # The next test may get this tab: nothing of this one is kept, whatever still comes in.
        self.desk.page.evaluate("lightning.desk.keep = () => {}; sessionStorage.clear()")
        assert self.trouble == []


def until(page: Page, script: str, arg: Any = None) -> None:
    """Waits until something is so; `wait_for_function` needs eval, which our own pages refuse.

    The page looks by itself: to ask it again and again takes more than what it does meanwhile.
    """
    looks = f"""async ([patience, given]) => {{
  const end = performance.now() + patience;
  while (performance.now() < end) {{
    const found = ({script});
    if (typeof found === "function" ? found(given) : found) return true;
    await new Promise((on) => setTimeout(on, 20));
  }}
  return false; }}"""
    assert page.evaluate(looks, [1000 * PATIENCE, arg]), f"it is not so: {script}"


def shows(wall: Page, prompt: str) -> None:
    """Waits until the wall shows a prompt and its picture."""
    until(wall, SHOWN, arg=[prompt, list(color_of(prompt))])


def curtain(wall: Page, down: bool) -> None:
    """Waits until nothing, or something, is to be seen."""
    until(wall, "down => document.getElementById('blank').hidden !== down", arg=down)


def paint(phone: Page, prompt: str) -> None:
    """Types and waits until the picture may be sent."""
    phone.locator("#prompt").fill(prompt)
    until(phone, "() => !document.getElementById('send').disabled")


def send(phone: Page, prompt: str) -> None:
    paint(phone, prompt)
    phone.get_by_role("button", name="Send to the stage").tap()
    phone.get_by_text("The presenter has it.").wait_for()


def drawn(page: Page, width: int, height: int) -> None:
    """Gives a page another size, and waits until it has been drawn in it."""
    page.set_viewport_size({"width": width, "height": height})
    page.evaluate("new Promise(end => requestAnimationFrame(() => setTimeout(end)))")


def shot(page: Page, name: str) -> None:
    if SHOTS:
        Path(SHOTS).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(SHOTS) / f"{name}.png")
