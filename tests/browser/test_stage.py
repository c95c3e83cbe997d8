"""A talk in a real browser: the presenter's desk in one tab, the wall in another."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, FilePayload, Page, ViewportSize

from ..web.conftest import PATIENCE, Running
from ..web.fakes import FakeEngine, color_of
from .conftest import DESKTOP, PHONE, Visit

Open = Callable[..., Visit]
HALL = ViewportSize(width=1920, height=1080)
QUARTER = ViewportSize(width=960, height=540)  # which a processor draws in a quarter of the time
SCRIPT = "# My talk\n\na red house\n  a blue boat 🐈\n\r\na green tree\n"
COLOUR = """([x, y]) => { const canvas = document.getElementById("picture");
  const at = [canvas.width * x, canvas.height * y, 1, 1];
  return [...canvas.getContext("2d").getImageData(...at).data]; }"""
SHOWN = """([prompt, colour]) => { const canvas = document.getElementById("picture");
  const [r, g, b] = canvas.getContext("2d")
    .getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data;
  const near = [r, g, b].every((value, place) => Math.abs(value - colour[place]) < 16);
  return near && document.querySelector("#caption span").textContent === prompt; }"""
READ = """async bytes => { const { readScript } = await import(
    new URL("web/script_file.js", document.baseURI));
  try { return readScript(new Uint8Array(bytes)); } catch (problem) { return problem.message; } }"""
# The look of a wall may not depend on what its text does: all of it is in view, or its end is.
FITS = """() => { const box = document.getElementById("caption").getBoundingClientRect();
  const text = document.querySelector("#caption span").getBoundingClientRect();
  const end = document.querySelector("#caption i").getBoundingClientRect();
  return [text.left >= box.left - 1 && text.right <= box.right + 1,
    end.bottom <= box.bottom + 1 && end.top >= box.top - 1,
    document.documentElement.scrollWidth <= innerWidth]; }"""


class Talk:
    """A desk and a wall."""

    def __init__(self, running: Running, visit: Open) -> None:
        self.running = running
        self.desk = visit(running)
        self.desk.wait_answered()
        self.desk.page.get_by_text("Presenter's desk").click()
        self.desk.wait("() => lightning.desk?.presenting")
        self.code: str = self.desk.page.evaluate("lightning.desk.state.code")

    def open_wall(self, browser: Browser) -> Page:
        """A window of its own: of two tabs in one, the hidden one is not drawn."""
        page = browser.new_context(viewport=QUARTER).new_page()
        page.set_default_timeout(PATIENCE * 1000)
        page.goto(f"{self.running.url}/stage")
        return page

    def press(self, key: str) -> None:
        """A key while no field has the cursor."""
        self.desk.page.evaluate("document.activeElement.blur()")
        self.desk.page.keyboard.press(key)


def shows(wall: Page, prompt: str) -> None:
    """Waits until the wall shows a prompt and its picture."""
    wall.wait_for_function(SHOWN, arg=[prompt, list(color_of(prompt))])


def curtain(wall: Page, down: bool) -> None:
    """Waits until nothing, or something, is to be seen."""
    wall.wait_for_function("down => document.getElementById('blank').hidden !== down", arg=down)


@pytest.fixture
def talk(own: Callable[..., Running], visit: Open) -> Iterator[Talk]:
    talk = Talk(own(FakeEngine(), stage=True), visit)
    yield talk
    talk.desk.page.evaluate("sessionStorage.clear()")  # the next test may get this tab


def test_a_talk(talk: Talk, browser: Browser) -> None:
    desk = talk.desk
    wall = talk.open_wall(browser)
    trouble: list[str] = []
    wall.on("pageerror", lambda error: trouble.append(str(error)))

    # The code is typed, in small letters and with a space; a wrong one is told.
    wall.locator("#code").fill("ZZZ9" if talk.code != "ZZZ9" else "ZZZ8")
    wall.get_by_text("no stage with this code").wait_for()
    wall.locator("#code").fill(f"{talk.code[:2]} {talk.code[2:]}".lower())
    wall.wait_for_function("wall.painted")
    assert talk.code in wall.url, "loading it again is enough"
    desk.page.get_by_text("1 screen: 960 × 540").wait_for()

    # What is typed and painted is seen.
    desk.type("a yellow cat")
    shows(wall, "a yellow cat")
    desk.prompt.fill("")
    wall.wait_for_function("document.querySelector('#caption span').textContent === ''")
    desk.type("a yellow cat")

    # Blank and back, by the remote's keys; in the prompt these are letters.
    shows(wall, "a yellow cat")
    talk.press("b")
    curtain(wall, True)
    desk.wait("() => document.getElementById('desk-wall').dataset.blank === 'true'")
    desk.type("a dog. b f")
    desk.wait_painted("a dog. b f")
    assert wall.locator("#caption span").inner_text() != "a dog. b f"
    desk.prompt.press("Alt+b")
    curtain(wall, False)
    shows(wall, "a dog. b f")

    # Frozen, what is tried out stays on the desk.
    desk.page.get_by_role("button", name="Freeze").click()
    desk.wait("() => lightning.desk.state.frozen")
    desk.type("a secret")
    desk.wait_painted("a secret")
    assert desk.text("desk-state") == "Frozen"
    talk.press("f")
    shows(wall, "a secret")

    # From here on without the caret that blinks: to draw it takes half a core, again and again.
    wall.emulate_media(reduced_motion="reduce")

    # The script, by the remote, also while the prompt has the cursor.
    with desk.page.expect_file_chooser() as chosen:
        desk.page.get_by_role("button", name="Open a file").click()
    talk_file = FilePayload(name="talk.txt", mimeType="text/plain", buffer=SCRIPT.encode())
    chosen.value.set_files(talk_file)
    desk.page.get_by_text("Script, 0 of 3").wait_for()
    desk.prompt.press("PageDown")
    shows(wall, "a red house")
    talk.press("PageDown")
    shows(wall, "a blue boat 🐈")
    talk.press("PageUp")
    shows(wall, "a red house")

    # Typed at a human pace, as keystrokes; a key of the presenter's own stops it.
    before = len(talk.running.engine.requests)
    desk.page.get_by_label("type the line out").check()
    talk.press("PageDown")
    shows(wall, "a blue boat 🐈")
    asked = [each.prompt for each in talk.running.engine.requests[before:]]
    assert len(asked) > 5 and all("a blue boat 🐈".startswith(each) for each in asked)
    desk.wait("() => !lightning.desk.autotype.running")
    talk.press("PageDown")
    desk.wait("() => lightning.controls.value('prompt').startsWith('a g')")
    desk.page.keyboard.press("Shift")
    assert not desk.page.evaluate("lightning.desk.autotype.running")

    # The line breaks on both sides, and comes back by itself, blank as it was.
    talk.press(".")
    curtain(wall, True)
    wall.evaluate("wall.follower.socket.close()")
    desk.page.evaluate("(globalThis.old = lightning.transport.socket).close()")
    desk.wait("() => ![null, old].includes(lightning.transport.socket)")
    desk.wait("() => lightning.desk?.presenting")
    assert desk.page.evaluate("[lightning.desk.state.code, lightning.desk.state.blank]") == [
        talk.code,
        True,
    ]
    desk.page.get_by_text("1 screen: 960 × 540").wait_for()
    assert wall.locator("#blank").is_visible()
    desk.page.get_by_role("button", name="Blank").click()
    desk.type("a white swan")
    shows(wall, "a white swan")

    # The wall's own page stays sharp and in bounds.
    wall.set_viewport_size(HALL)
    wall.wait_for_function("document.getElementById('picture').height === 1080")
    assert wall.evaluate("innerHeight") == 1080
    for text in ("x" * 300, "سماء زرقاء " * 9, "a long one, " * 90 + "the end"):
        desk.prompt.fill(text)
        wall.wait_for_function(
            "text => document.querySelector('#caption span').textContent === text", arg=text
        )
        for size in (HALL, ViewportSize(width=1024, height=768), PHONE):
            wall.set_viewport_size(size)
            wall.evaluate("new Promise(end => requestAnimationFrame(() => setTimeout(end)))")
            assert wall.evaluate(FITS) == [True, True, True], (text[:20], size)
    assert trouble == []
    wall.context.close()


def test_the_desk(talk: Talk) -> None:
    page = talk.desk.page
    for viewport in (DESKTOP, PHONE, ViewportSize(width=320, height=700)):
        talk.desk.resize(viewport)
        assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    talk.desk.resize(DESKTOP)

    # Of no other computer is this one "localhost".
    assert talk.desk.text("desk-address").endswith("when it is started with --host 0.0.0.0")
    page.evaluate("lightning.desk.addresses = ['http://10.42.0.1:7860', 'http://192.168.1.7:7860']")
    page.evaluate("lightning.desk.showAddress()")
    assert talk.desk.text("desk-address") == "On another computer: 10.42.0.1:7860/stage"

    # A window opens on the wall, and only there.
    with page.expect_popup() as popup:
        page.get_by_role("button", name="Open the wall").click()
    popup.value.wait_for_function("wall.painted")
    assert popup.value.url.endswith(f"/stage?code={talk.code}")
    page.get_by_label("how long each picture took").check()
    popup.value.wait_for_function("/steps/.test(document.getElementById('figures').textContent)")
    page.get_by_label("the words").select_option("over")
    popup.value.wait_for_function("document.body.dataset.caption === 'over'")
    popup.value.keyboard.press("b")  # the remote is heard there, too
    curtain(popup.value, True)
    popup.value.keyboard.press("b")
    curtain(popup.value, False)
    popup.value.close()

    # The timer counts up, and down from some minutes.
    texts = page.evaluate(
        """async () => { const { clock } = await import(new URL("web/clock.js", document.baseURI));
        return [0, 61, 3723, -5].map(clock); }"""
    )
    assert texts == ["0:00", "1:01", "1:02:03", "−0:05"]
    page.locator("#desk-minutes").fill("20")
    assert talk.desk.text("desk-time") == "20:00"
    page.get_by_role("button", name="Start").click()
    talk.desk.wait("() => document.getElementById('desk-time').textContent !== '20:00'")
    page.get_by_role("button", name="Stop", exact=True).click()
    page.get_by_role("button", name="Reset", exact=True).click()
    assert talk.desk.text("desk-time") == "20:00"
    small = page.locator("#prompt textarea").bounding_box()
    page.get_by_label("big text").check()
    large = page.locator("#prompt textarea").bounding_box()
    assert small and large and large["height"] > small["height"]

    # Scripts in any Unicode encoding; others are told in words.
    words = "a café\n# note\n\nنخلة\n"
    read: Callable[[bytes], Any] = lambda data: page.evaluate(READ, list(data))  # noqa: E731
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"):
        assert read(words.encode(encoding)) == ["a café", "نخلة"], encoding
    assert read(b"").startswith("No prompt")
    assert "Save it as UTF-8" in read("a café\n".encode("latin-1"))
    assert "no text file" in read(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\xd8\xd8")
    assert "longer than 2000 characters" in read(b"x" * 2001)
    large_file = READ.replace("new Uint8Array(bytes)", "new Uint8Array(1e6 + 1)")
    assert "1 MB" in page.evaluate(large_file, [])

    # A second tab with this one's memory takes over, and this one does not fight for it.
    page.evaluate("lightning.desk.told({ problem: 'Taken.', needs: 'taken' })")
    page.evaluate("lightning.desk.connected()")
    assert not page.evaluate("lightning.desk.presenting")
    page.get_by_role("button", name="Present from this tab").click()
    talk.desk.wait("() => lightning.desk?.presenting")
    assert page.evaluate("lightning.desk.state.code") == talk.code

    # Loading the page again keeps code and wishes, and the talk's time goes on.
    page.get_by_role("button", name="Start").click()
    page.get_by_role("button", name="Blank").click()
    page.reload()
    talk.desk.wait("() => globalThis.lightning?.desk?.presenting")
    assert page.evaluate("[lightning.desk.state.code, lightning.desk.state.blank]") == [
        talk.code,
        True,
    ]
    assert page.locator("#desk-minutes").input_value() == "20"
    assert page.locator("#desk-start").text_content() == "Stop"
    talk.desk.wait("() => /^19:/.test(document.getElementById('desk-time').textContent)")


def test_a_password_is_asked_for_once(own: Callable[..., Running], visit: Open) -> None:
    tab = visit(own(stage=True, presenter_password="opensesame"))  # noqa: S106
    tab.page.get_by_text("Presenter's desk").click()
    field = tab.page.get_by_label("The presenter's password")
    field.fill("guess")
    field.press("Enter")
    tab.page.get_by_text("That is not the presenter's password.").wait_for()
    assert not tab.page.locator("#desk-on").is_visible()
    field.fill("opensesame")
    field.press("Enter")
    tab.wait("() => lightning.desk?.presenting")
    assert not field.is_visible()
    assert "opensesame" not in tab.page.evaluate("JSON.stringify(sessionStorage)")
    tab.page.evaluate("(globalThis.old = lightning.transport.socket).close()")
    tab.wait("() => ![null, old].includes(lightning.transport.socket)")
    tab.wait("() => lightning.desk?.presenting")
    tab.page.evaluate("sessionStorage.clear()")


def test_without_a_socket_the_desk_says_so(own: Callable[..., Running], visit: Open) -> None:
    tab = visit(own(stage=True, transport="events"))
    tab.page.get_by_text("Presenter's desk").click()
    tab.page.get_by_text(re.compile("the wall needs a WebSocket")).wait_for()
    tab.page.evaluate("sessionStorage.clear()")
