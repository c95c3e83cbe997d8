"""A talk with an audience in a real browser: a phone, the presenter's desk, the wall."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import segno
from PIL import Image
from playwright.sync_api import Browser, Page, ViewportSize

from lightning_demo.web.stage.audience import audiences

from ..web.conftest import PATIENCE, Running
from ..web.fakes import FakeEngine
from .conftest import DESKTOP, PHONE, Visit
from .test_stage import QUARTER, curtain, shows

Open = Callable[..., Visit]
NARROW = ViewportSize(width=360, height=640)
SIDEWAYS = ViewportSize(width=740, height=360)
ADDRESS = "http://192.168.1.5:7860"
SHOTS = os.environ.get("LIGHTNING_TEST_SCREENSHOTS", "")  # a folder: pictures of what is tested
# What of a page is too small for a finger, or stands out of it.
UNREACHABLE = """() => [...document.querySelectorAll("button, input, textarea")]
  .filter(e => e.checkVisibility() && getComputedStyle(e).visibility === "visible")
  .map(e => [e.id, e.getBoundingClientRect()])
  .filter(([, r]) => r.height < 44 || r.width < 44 || r.left < 0 || r.right > innerWidth)
  .map(([id]) => id)"""


def shot(page: Page, name: str) -> None:
    if SHOTS:
        Path(SHOTS).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(SHOTS) / f"{name}.png")


class Phones:
    """Phones of the hall: each a browser of its own."""

    def __init__(self, browser: Browser, url: str, trouble: list[str]) -> None:
        self._browser, self._url, self._trouble = browser, url, trouble
        self._contexts: list[Any] = []

    def open(self, code: str, viewport: ViewportSize = PHONE, **options: Any) -> Page:
        context = self._browser.new_context(
            viewport=viewport, has_touch=True, is_mobile=True, **options
        )
        self._contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE * 1000)
        note = self._trouble.append
        page.on("pageerror", lambda error: note(str(error)))
        page.on("console", lambda m: note(m.text) if m.type == "error" else None)
        page.on("request", lambda r: None if self._url in r.url else note(f"request to {r.url}"))
        page.goto(f"{self._url}/audience?code={code}")
        page.locator("#number").wait_for()
        return page

    def close(self) -> None:
        for context in self._contexts:
            context.close()


def paint(phone: Page, prompt: str) -> None:
    """Types and waits until the picture may be sent."""
    phone.locator("#prompt").fill(prompt)
    phone.wait_for_function("() => !document.getElementById('send').disabled")


def send(phone: Page, prompt: str) -> None:
    paint(phone, prompt)
    phone.get_by_role("button", name="Send to the stage").tap()
    phone.get_by_text("The presenter has it.").wait_for()


@pytest.fixture
def hall(
    own: Callable[..., Running], visit: Open, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Visit, Phones, Running, list[str]]]:
    trouble: list[str] = []
    for name in ("IDLE_SECONDS", "TURN_SECONDS"):  # however slow the machine is
        monkeypatch.setattr(audiences, name, 3600.0)
    running = own(FakeEngine(), stage=True, audience=True, audience_seats=2, audience_url=ADDRESS)
    desk = visit(running)
    desk.wait_answered()
    desk.page.get_by_text("Presenter's desk").click()
    desk.wait("() => lightning.desk?.presenting")
    phones = Phones(browser, running.url, trouble)
    yield desk, phones, running, trouble
    phones.close()
    # The next test may get this tab: nothing of this one is kept, whatever still comes in.
    desk.page.evaluate("lightning.desk.keep = () => {}; sessionStorage.clear()")
    assert trouble == []


def open_wall(browser: Browser, running: Running, code: str) -> Page:
    """With a caret that does not blink: to draw it takes half a core, again and again."""
    wall = browser.new_context(viewport=QUARTER, reduced_motion="reduce").new_page()
    wall.set_default_timeout(PATIENCE * 1000)
    wall.goto(f"{running.url}/stage?code={code}")
    wall.wait_for_function("() => wall.scene")
    return wall


def test_a_talk_with_an_audience(
    hall: tuple[Visit, Phones, Running, list[str]], browser: Browser
) -> None:
    desk, phones, running, _ = hall
    code = desk.page.evaluate("lightning.desk.state.code")
    wall = open_wall(browser, running, code)
    desk.type("the talk begins")
    shows(wall, "the talk begins")

    # The code on the wall is the address, module by module, and can be put away again.
    desk.page.get_by_label("QR code").select_option("large")
    wall.locator("#invitation.large svg").wait_for()
    shot(wall, "wall-invitation-large")
    box = wall.locator("#invitation svg").bounding_box()
    assert box is not None
    expected = segno.make(f"{ADDRESS}/audience?code={code}", error="m", micro=False).matrix
    screen = Image.open(io.BytesIO(wall.screenshot())).convert("L")
    side = box["width"] / (len(expected) + 8)
    seen = [
        [
            int(screen.getpixel((box["x"] + (x + 4.5) * side, box["y"] + (y + 4.5) * side)) < 128)
            for x in range(len(expected))
        ]
        for y in range(len(expected))
    ]
    assert seen == [list(row) for row in expected]
    desk.page.get_by_label("QR code").select_option("corner")
    wall.wait_for_function("document.body.classList.contains('inviting')")
    shot(wall, "wall-invitation-corner")

    # A phone joins, gets a number, paints live, gives a name, sends.
    ann = phones.open(code)
    desk.page.get_by_text("1 phone, 0 painting").wait_for()
    assert ann.locator("#number").inner_text() == "1"
    shot(ann, "phone-joined")
    ann.get_by_role("button", name="Add your name").tap()
    ann.get_by_label("Your name, if you like").fill("Ann 🦊")
    ann.get_by_role("button", name="Save").tap()
    ann.get_by_text("Ann 🦊").wait_for()
    send(ann, "a red fox in the snow")
    shot(ann, "phone-sent")
    assert ann.evaluate(UNREACHABLE) == []
    assert wall.locator("#caption span").inner_text() == "the talk begins"

    # Another one is dark, narrow, and writes from right to left; what is not polite is refused.
    bob = phones.open(code, NARROW, color_scheme="dark")
    bob.locator("#prompt").fill("a f u c k i n g fox")
    bob.get_by_text("Not on this wall, please").wait_for()
    assert bob.locator("#send").is_disabled()
    send(bob, "قارب أحمر في البحر 🐈")
    assert bob.evaluate("getComputedStyle(document.getElementById('prompt')).direction") == "rtl"
    assert bob.evaluate(UNREACHABLE) == []
    assert bob.evaluate("document.documentElement.scrollWidth") == 360
    shot(bob, "phone-dark")

    # Two seats are taken: a third phone stands in line.
    third = phones.open(code)
    third.locator("#prompt").fill("a green tree")
    third.get_by_text("In line: you are next").wait_for()
    shot(third, "phone-in-line")
    desk.page.get_by_text("3 phones, 2 painting, 1 in line").wait_for()

    # The presenter sees thumbnail and words, and shows one.
    waiting = desk.page.locator("#desk-tray li")
    waiting.nth(1).wait_for()
    assert waiting.nth(0).locator("p").inner_text() == "a red fox in the snow"
    assert waiting.nth(0).locator("img").evaluate("e => e.complete && e.naturalWidth") == 192
    desk.page.locator("#desk-audience").scroll_into_view_if_needed()
    shot(desk.page, "desk-tray")
    waiting.nth(0).get_by_role("button", name="Show").click()
    shows(wall, "a red fox in the snow")
    wall.locator("#credit", has_text="1 Ann 🦊").wait_for()
    ann.get_by_text("Yours!").wait_for()

    # A vote, shown on the wall once the presenter wants that.
    bob.get_by_role("button", name="I like it").tap()
    desk.page.get_by_label("show votes on the wall").check()
    wall.locator("#credit", has_text="♥ 1").wait_for()
    shot(wall, "wall-released")
    shot(bob, "phone-voted")
    desk.page.get_by_label("leave out who painted it").check()
    wall.wait_for_function("!document.getElementById('credit').textContent.includes('Ann')")
    desk.page.get_by_label("leave out who painted it").uncheck()

    # A ban takes it off the wall at once, frozen as it is, and closes that phone.
    waiting.nth(0).get_by_role("button", name="Show").click()
    shows(wall, "قارب أحمر في البحر 🐈")
    shot(wall, "wall-right-to-left")
    desk.page.get_by_role("button", name="Freeze").click()
    desk.page.get_by_text("Shown so far: 2").click()
    released = desk.page.locator("#desk-released li").nth(0)
    assert released.locator("p").inner_text() == "قارب أحمر في البحر 🐈"
    shot(desk.page, "desk-shown")
    released.get_by_role("button", name="Ban").click()
    released.get_by_role("button", name="Sure?").click()
    curtain(wall, True)
    bob.get_by_text("The presenter has closed this door for you.").wait_for()
    shot(bob, "phone-banned")
    desk.page.get_by_text("Shown so far: 1").wait_for()
    bob.reload()
    bob.get_by_text("The presenter has closed this door for you.").wait_for()
    desk.page.get_by_role("button", name="Freeze").click()
    curtain(wall, False)

    # The line breaks: same number, and the picture is painted again.
    ann.evaluate("(globalThis.old = phone.socket.socket).close()")
    ann.wait_for_function("() => ![null, old].includes(phone.socket.socket)")
    paint(ann, "a red fox at night")
    assert ann.locator("#number").inner_text() == "1"
    ann.reload()
    ann.wait_for_function("() => document.getElementById('number').textContent === '1'")
    assert ann.locator("#prompt").input_value() == "a red fox at night"

    # Closed, nobody paints; the gallery is saved.
    desk.page.get_by_role("button", name="Open", exact=True).click()
    ann.get_by_text("The presenter takes nothing at the moment").wait_for()
    assert ann.locator("#prompt").is_disabled()
    with desk.page.expect_download() as download:
        desk.page.get_by_role("button", name="Save all (zip)").click()
    names = zipfile.ZipFile(download.value.path()).namelist()
    assert names[0] == "001-1-a-red-fox-in-the-snow.jpg" and "index.html" in names
    with desk.page.expect_download() as download:
        desk.page.get_by_role("button", name="Contact sheet").click()
    if SHOTS:
        Image.open(download.value.path()).save(Path(SHOTS) / "contact-sheet.png")

    # The desk's page is loaded again: switches and tray are as they were.
    desk.page.reload()
    desk.wait("() => globalThis.lightning?.desk?.presenting")
    assert desk.page.evaluate("lightning.desk.audience.hall.open") is False
    desk.page.get_by_text("Shown so far: 1").wait_for()
    for size in (DESKTOP, PHONE):
        desk.resize(size)
        assert desk.page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    shot(desk.page, "desk-phone")
    wall.context.close()


def test_a_phone_without_a_code_asks_for_it(
    hall: tuple[Visit, Phones, Running, list[str]], browser: Browser
) -> None:
    desk, phones, running, _ = hall
    code = desk.page.evaluate("lightning.desk.state.code")
    phone = phones.open(code)
    number = phone.locator("#number").inner_text()
    phone.goto(f"{running.url}/audience")
    field = phone.get_by_label("The code on the wall")
    field.fill("K")
    phone.get_by_role("button", name="Join").tap()
    phone.get_by_text("A code has 4 letters and digits.").wait_for()
    shot(phone, "phone-code")
    field.fill(code.lower())
    phone.get_by_role("button", name="Join").tap()
    phone.locator("#number", has_text=number).wait_for()
    for size in (SIDEWAYS, ViewportSize(width=390, height=420), NARROW):
        phone.set_viewport_size(size)
        assert phone.evaluate("document.documentElement.scrollWidth") <= size["width"]
        assert phone.evaluate(UNREACHABLE) == []
    paint(phone, "a blue boat")
    phone.set_viewport_size(ViewportSize(width=390, height=420))
    shot(phone, "phone-keyboard")
    phone.set_viewport_size(SIDEWAYS)
    shot(phone, "phone-sideways")
