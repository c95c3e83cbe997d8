"""The pages in the visitor's language: chosen by the browser, or by the visitor."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Browser

from ..web.conftest import Running
from ..web.fakes import WITH_DRAFTS, FakeEngine
from .conftest import DESKTOP, PHONE, Visit
from .hall import UNREACHABLE, Talk
from .test_axe import Auditor, auditor  # noqa: F401 - a fixture
from .test_looks import SHIFTS

Open = Callable[..., Visit]

CUT = """() => [...document.querySelectorAll("button, label, h1, h2, p")]
  .filter(e => e.checkVisibility() && e.clientWidth > 1 && e.scrollWidth > e.clientWidth + 1)
  .map(e => e.textContent)"""

# What stands anywhere in the page, seen or not, but is English, or a key: without what visitors
# type, and names. Of a text with {values} each part that has words of its own.
LEFT_OVER = r"""async (language) => {
  const url = (code) => new URL(`web/text_${code}.js`, document.baseURI);
  const english = (await import(url("en"))).default;
  const mine = (await import(url(language))).default;
  const parts = (all) =>
    all.flatMap(words => [words, ...words.split(/\{\w+\}/)]).map(each => each.trim());
  const known = new Set(parts(Object.values(mine)));
  const foreign = new Set(Object.keys(english));
  for (const each of parts(Object.values(english))) {
    if (/[a-z]{2}/.test(each) && !known.has(each)) foreign.add(each);
  }
  const texts = [];
  for (const element of document.querySelectorAll("body *")) {
    for (const name of ["title", "placeholder", "aria-label", "alt"]) {
      texts.push(element.getAttribute(name) ?? "");
    }
    if (element.closest("script, style, textarea, .chip")) continue;
    for (const node of element.childNodes) {
      if (node.nodeType === Node.TEXT_NODE) texts.push(node.data);
    }
  }
  const seen = texts.map(each => each.trim()).filter(Boolean);
  return [seen.length, seen.filter(each => foreign.has(each))];
}"""


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


def test_the_demo_speaks_the_browsers_language(
    own: Callable[..., Running],
    visit: Open,
    auditor: Auditor,  # noqa: F811
) -> None:
    running = own(FakeEngine(status=WITH_DRAFTS))
    tab = visit(running, viewport=PHONE, locale="de-DE", init=f"({SHIFTS})()")
    page = tab.page
    tab.wait_answered()
    assert page.evaluate("globalThis.shifted") < 0.05
    assert page.evaluate("document.documentElement.lang") == "de"
    assert page.locator("#tagline").inner_text() == "Ein Bild bei jedem Tastendruck"
    assert page.get_by_role("button", name="Würfeln").is_visible()
    auditor.look(page, "in German")
    tab.open_drawer()
    page.get_by_label("Zahlenfeld für Guidance").fill("1.5")
    page.get_by_label("Negativer Prompt").fill("fog")
    tab.wait_answered()
    assert tab.request()["guidance_scale"] == 1.5
    assert "Guidance 1,5" in page.get_by_role("button", name="Mehr").inner_text()
    page.get_by_label("Schieberegler für Guidance").press("End")
    page.get_by_label("Seed", exact=True).fill("-3")
    error = page.locator("#field-error")
    assert error.inner_text() == "Muss eine ganze Zahl von 0 bis 4294967295 sein."
    auditor.look(page, "an error in German")
    page.get_by_label("Seed", exact=True).fill("3")
    tab.wait_answered()
    page.get_by_role("button", name="Vergleichen").click()
    dialog = page.get_by_role("dialog", name="Vergleichen")
    dialog.get_by_label("Was sich quer ändert").wait_for()
    auditor.look(page, "comparing in German")
    dialog.get_by_role("button", name="Schließen").click()
    for viewport in (PHONE, DESKTOP):
        tab.resize(viewport)
        assert page.evaluate("document.documentElement.scrollWidth") == viewport["width"]
        assert page.evaluate(CUT) == []


def test_a_visitor_chooses_the_demos_language(own: Callable[..., Running], visit: Open) -> None:
    tab = visit(own(), locale="de-DE")
    page = tab.page
    tab.wait_answered()
    tab.type("a lighthouse at dawn")
    tab.wait_answered()
    page.get_by_label("Sprache").select_option("zh")
    page.wait_for_function("document.documentElement.lang === 'zh-Hans'")
    page.wait_for_function("globalThis.lightning?.transport")
    tab.wait_answered()
    assert tab.request()["prompt"] == "a lighthouse at dawn", "what was typed is still there"
    assert page.locator("#steps").inner_text().startswith("步数")
    tab.open(page.url)
    assert page.get_by_role("button", name="复制链接").is_visible(), "it is kept"
    page.locator("#prompt textarea").fill("")
    assert page.locator("#prompt-note").inner_text() == "提示词为空，保留上一张图片。"
    page.get_by_label("语言").select_option("en")
    page.get_by_role("button", name="Copy link").wait_for()


def test_no_english_is_left(own: Callable[..., Running], visit: Open) -> None:
    """Whether the browser's language is meant, or the one that the visitor has chosen."""
    running = own(FakeEngine(status=WITH_DRAFTS), stage=True, audience=True)
    tab = visit(running, locale="de-DE")
    all_is_in(tab, "de")
    tab.page.evaluate("globalThis.before = true")
    tab.page.get_by_label("Sprache").select_option("zh")
    tab.wait("() => !globalThis.before && globalThis.lightning?.transport")
    all_is_in(tab, "zh")


def all_is_in(tab: Visit, language: str) -> None:
    """Opens all there is, and looks for texts of another language."""
    page = tab.page
    tab.wait_answered()
    page.wait_for_function("lightning.timeline.entries.length")
    tab.open_drawer()
    for name in ("compare-open", "batch-open", "prompt-history-open", "morph-open", "keys-open"):
        page.locator(f"#{name}").click()
        dialog = page.locator("dialog[open]")
        dialog.wait_for()
        dialog.locator("button[id$=close]").click()
    page.locator("#times").click()
    page.locator("#timeline-more").click()
    page.locator("#desk summary").first.click()
    page.wait_for_function("document.getElementById('desk-code').textContent")
    count, left = page.evaluate(LEFT_OVER, language)
    assert count > 350
    assert left == []
