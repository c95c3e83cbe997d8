"""The presenter's desk in a real browser: what a talk (test_talk.py) does not come to."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, ViewportSize

from ..web.conftest import Running
from ..web.fakes import FakeEngine
from .conftest import DESKTOP, PHONE
from .hall import Open, Talk, curtain, until

READ = """async bytes => { const { readScript } = await import(
    new URL("web/script_file.js", document.baseURI));
  try { return readScript(new Uint8Array(bytes)); } catch (problem) { return problem.message; } }"""


@pytest.fixture
def talk(own: Callable[..., Running], visit: Open) -> Iterator[Talk]:
    talk = Talk(own(FakeEngine(), stage=True), visit)
    yield talk
    talk.close()


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
    until(popup.value, "wall.painted")
    assert popup.value.url.endswith(f"/stage?code={talk.code}")
    page.get_by_label("how long each picture took").check()
    until(popup.value, "/steps/.test(document.getElementById('figures').textContent)")
    page.get_by_label("the words").select_option("over")
    until(popup.value, "document.body.dataset.caption === 'over'")
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
    presenting = """() => { const { desk } = lightning;
      desk.told({ problem: "Taken.", needs: "taken" });
      desk.connected();
      return desk.presenting; }"""
    assert not page.evaluate(presenting)
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


def test_no_page_runs_or_styles_what_somebody_got_into_it(talk: Talk, browser: Browser) -> None:
    """The policy itself, on Gradio's page and on ours: inline scripts, handlers, eval."""
    wall, page_of_gradio = talk.open_wall(browser), talk.open(browser, "/")
    wall.locator("#ask").wait_for()
    page_of_gradio.locator("#canvas").wait_for()
    for page in (wall, page_of_gradio):
        page.evaluate(
            """async () => {
              globalThis.ran = [];
              document.addEventListener("securitypolicyviolation", (event) =>
                (globalThis.violated ??= []).push(event.violatedDirective));
              const script = document.createElement("script");
              script.textContent = "ran.push('script')";
              document.head.append(script);
              const box = document.createElement("div");
              box.innerHTML = "<img src='x:' onerror=\\"ran.push('handler')\\">";
              document.body.append(box);
              await new Promise((go) => setTimeout(go, 200));
            }"""
        )
        assert page.evaluate("ran") == []
        assert "script-src-elem" in page.evaluate("violated")
    told = [text for text in talk.trouble if "Content Security Policy" not in text]
    assert [text for text in told if "x:" not in text] == []
    talk.trouble.clear()
