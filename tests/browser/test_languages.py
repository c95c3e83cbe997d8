"""The pages of a talk's guests in their own language: chosen by the browser, or by them."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Browser

from ..web.conftest import Running
from ..web.fakes import FakeEngine
from .conftest import PHONE
from .hall import UNREACHABLE, Talk

CUT = """() => [...document.querySelectorAll("button, label, h1, h2, p")]
  .filter(e => e.checkVisibility() && e.clientWidth > 1 && e.scrollWidth > e.clientWidth + 1)
  .map(e => e.textContent)"""


def test_phones_speak_german_and_chinese(
    talk: Talk,
    browser: Browser,
) -> None:
    for locale, lang, send, line in (
        ("de-DE", "de", "An die Bühne senden", "In der Schlange"),
        ("zh-CN", "zh-Hans", "发送到台上", "排队中"),
    ):
        phone = talk.open_phone(browser, locale=locale)
        phone.locator("#number").wait_for()
        assert phone.evaluate("document.documentElement.lang") == lang
        phone.get_by_role("button", name=send).wait_for()
        phone.evaluate("phone.setLine({ what: 'seat', ahead: 2, seconds: 90 })")
        phone.get_by_text(line).wait_for()
        assert phone.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
        assert phone.evaluate(UNREACHABLE) == [] and phone.evaluate(CUT) == []
        phone.locator("select.language:visible").select_option("en")
        phone.get_by_role("button", name="Send to the stage").wait_for()
        phone.reload()
        phone.get_by_role("button", name="Send to the stage").wait_for()


def test_wall_and_battle_ask_in_german(own: Callable[..., Running], browser: Browser) -> None:
    running = own(FakeEngine(), stage=True)
    context = browser.new_context(locale="de-AT", viewport=PHONE)
    page = context.new_page()
    for path, label in (("stage", "Der Code vom Pult"), ("battle", "Der Code deiner Seite")):
        page.goto(f"{running.url}/{path}")
        page.get_by_label(label).wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
        assert page.evaluate(CUT) == []
    # A language that there is not is English.
    context.close()
    context = browser.new_context(locale="fr-FR")
    page = context.new_page()
    page.goto(f"{running.url}/stage")
    page.get_by_label("The code on the presenter's desk").wait_for()
    context.close()
