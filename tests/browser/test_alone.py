"""A page that nobody is at: it plays by itself (--attract), and begins anew (--kiosk)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from ..web.conftest import Running
from ..web.fakes import FakeEngine
from .conftest import House, Tabs, Visit

Open = Callable[..., Visit]
GONE = "lightning.attract.presence.at -= 60_000"  # for a minute; no test waits that long
# Somebody is there again, and nothing keeps the page from playing later.
HERE = """lightning.attract.presence.at = performance.now();
lightning.attract.stop(); lightning.attract.refused = -Infinity;
clearInterval(lightning.attract.timer);
lightning.attract.timer = setInterval(() => lightning.attract.look(), 1000)"""
EXAMPLES = "lightning.attract.examples"
# Whether the page lets an event happen at an element.
ALLOWS = """([place, kind, type, options]) => document.querySelector(place).dispatchEvent(
  new globalThis[kind](type, { bubbles: true, cancelable: true, ...options }))"""
WORDS = "a visitor's own words"


def alone(tab: Visit) -> None:
    """Leaves the page to itself, until it plays and has something painted."""
    tab.page.evaluate(GONE)
    tab.wait("() => lightning.attract.running && lightning.sequence === lightning.settled")


def stands_as_it_was(tab: Visit, request: dict[str, object]) -> None:
    tab.wait("() => !lightning.attract.running")
    assert tab.request() == request
    assert tab.prompt.input_value() == request["prompt"]
    assert not tab.page.locator("#attract-sign").is_visible()
    tab.wait_painted(str(request["prompt"]))


@pytest.fixture(scope="module")
def opened(houses: Callable[..., House], share: Callable[[House], Visit]) -> Visit:
    running = houses(FakeEngine(), transport="socket", attract=60, stage=True)
    tab = share(running)
    tab.engine = running.engine  # type: ignore[attr-defined]
    tab.first = tab.request()  # type: ignore[attr-defined]
    tab.wait("() => lightning.attract")  # its modules come after the page
    return tab


@pytest.fixture
def tab(opened: Visit, tabs: Tabs) -> Iterator[Visit]:
    """The same page for all tests that leave it to itself, with a visitor's words."""
    with tabs.quiet(opened.page):
        opened.page.evaluate(HERE)
        opened.anew(opened.first)  # type: ignore[attr-defined]
        opened.type(WORDS)
        opened.wait_painted(WORDS)
        yield opened


def test_the_examples_type_themselves_until_somebody_is_there(tab: Visit) -> None:
    page, engine = tab.page, tab.engine  # type: ignore[attr-defined]
    tab.page.locator("#seed-lock label").click()  # each key would bring another seed
    tab.wait("() => !lightning.seedLocked && lightning.settled === lightning.sequence")
    request, examples, before = tab.request(), page.evaluate(EXAMPLES), len(engine.works)
    sequence = tab.sequence()

    alone(tab)
    tab.wait("() => lightning.attract.autotype.running === false")
    assert tab.prompt.input_value() in examples
    assert page.locator("#attract-sign").is_visible()
    played = [work for work in engine.works[before:] if work.attract]
    assert played and tab.sequence() - sequence > 5, "key by key"
    assert all(work.ahead and work.request.seed == request["seed"] for work in played)
    assert all(any(each.startswith(w.request.prompt) for each in examples) for w in played)
    assert page.evaluate("lightning.ghost.history.length") == 0, "nobody has typed that"

    # A key that only stops it, one that writes, a pointer, a wheel, a click.
    page.keyboard.press("Shift")
    stands_as_it_was(tab, request)
    assert not engine.works[-1].attract
    for come in (
        lambda: page.mouse.move(300, 300),
        lambda: page.mouse.wheel(0, 1),
        lambda: page.mouse.click(4, 4),
    ):
        alone(tab)
        come()
        stands_as_it_was(tab, request)
    tab.prompt.press("End")
    tab.prompt.press("ArrowLeft")
    alone(tab)
    page.keyboard.press("x")
    tab.wait("() => !lightning.attract.running")
    assert tab.prompt.input_value() == f"{WORDS[:-1]}x{WORDS[-1]}"
    tab.wait_painted(tab.prompt.input_value())

    # An emptied prompt is empty again, beside the picture that it was under.
    tab.prompt.fill("")
    tab.wait("() => lightning.empty")
    shown = tab.painted()[-1]
    alone(tab)
    page.keyboard.press("Shift")
    tab.wait("() => !lightning.attract.running")
    assert tab.wait_painted(shown["prompt"])["seed"] == shown["seed"]
    assert tab.prompt.input_value() == "" == tab.request()["prompt"]


def test_it_does_not_play_where_it_would_disturb(tab: Visit) -> None:
    page, engine = tab.page, tab.engine  # type: ignore[attr-defined]
    may = "lightning.attract.look() || lightning.attract.running"

    def plays() -> bool:
        page.evaluate(GONE)
        return bool(page.evaluate(may))

    # A tab that nobody sees; one that plays already stops.
    hide = "Object.defineProperty(document, 'hidden', { get: () => %s, configurable: true });"
    alone(tab)
    page.evaluate("clearInterval(lightning.attract.timer)")  # it looks when it is told to
    page.evaluate(hide % "true" + "document.dispatchEvent(new Event('visibilitychange'))")
    assert not page.evaluate("lightning.attract.running")
    page.evaluate("lightning.attract.refused = -Infinity")
    assert not plays()
    page.evaluate(hide % "false")

    # Somebody's picture is still to come.
    engine.hold()
    tab.prompt.fill("still to come")
    assert not plays()
    engine.release()
    tab.wait_painted("still to come")

    # A track is painted.
    page.evaluate("lightning.timeline.running = new AbortController()")
    assert not plays()
    page.evaluate("lightning.timeline.stop()")

    # It is paused; or the hall sees what stands here.
    page.get_by_role("button", name="Pause").click()
    assert not plays()
    page.get_by_role("button", name="Resume").click()
    tab.wait_answered()
    page.get_by_text("Presenter's desk").click()
    tab.wait("() => lightning.desk?.presenting")
    tab.wait_answered()
    assert not plays()
    # And hears nothing of it meanwhile.
    page.evaluate("Object.assign(lightning.desk, { told: () => {}, presenting: false })")
    assert plays()
    # What ends it when nobody is there lets it rest as long as at the beginning.
    page.evaluate("lightning.attract.stop()")
    assert not plays()
    page.evaluate("delete lightning.desk.told")
    page.evaluate("sessionStorage.clear()")


def test_who_wants_no_motion_sees_whole_prompts(tab: Visit) -> None:
    engine = tab.engine  # type: ignore[attr-defined]
    tab.page.emulate_media(reduced_motion="reduce")
    before = len(engine.works)
    alone(tab)
    examples = tab.page.evaluate(EXAMPLES)
    played = {work.request.prompt for work in engine.works[before:] if work.attract}
    assert played and played <= set(examples), "beside guesses at what the visitor asks next"
    tab.page.emulate_media(reduced_motion="no-preference")


def test_a_kiosk_begins_anew_and_nothing_leads_away(
    own: Callable[..., Running], visit: Open
) -> None:
    tab = visit(own(kiosk=60))
    page, presence = tab.page, "lightning.kiosk.presence"
    first = tab.wait_answered()["prompt"]
    tab.wait("() => lightning.kiosk")
    for name in ("download", "link", "from-picture", "metrics-panel", "desk"):
        assert page.locator(f"#{name}").count() == 0, name

    for place, kind, kind_of_event, options, allowed in (
        ("#canvas", "MouseEvent", "contextmenu", {}, False),
        ("#prompt textarea", "MouseEvent", "contextmenu", {}, False),
        ("h1", "Event", "selectstart", {}, False),
        ("#prompt textarea", "Event", "selectstart", {}, True),
        ("#canvas", "DragEvent", "dragstart", {}, False),
        ("#canvas", "DragEvent", "drop", {}, False),
        ("#canvas", "WheelEvent", "wheel", {"ctrlKey": True}, False),
        ("#canvas", "WheelEvent", "wheel", {}, True),
        ("#prompt textarea", "KeyboardEvent", "keydown", {"key": "p", "ctrlKey": True}, False),
        ("#prompt textarea", "KeyboardEvent", "keydown", {"key": "S", "metaKey": True}, False),
        ("h1", "KeyboardEvent", "keydown", {"key": "ArrowLeft", "altKey": True}, False),
        ("#prompt textarea", "KeyboardEvent", "keydown", {"key": "c", "ctrlKey": True}, True),
        ("#prompt textarea", "KeyboardEvent", "keydown", {"key": "p"}, True),
    ):
        found = page.evaluate(ALLOWS, [place, kind, kind_of_event, options])
        assert found is allowed, (place, kind_of_event, options)

    # One that nobody has touched since it began is as it has to be.
    page.evaluate(f"{presence}.used = false; {presence}.at -= 600_000; lightning.kiosk.look()")
    assert not page.locator("#kiosk-sign").is_visible()
    tab.type("the words of the one before")
    page.locator("#steps").get_by_text("8", exact=True).click()
    page.evaluate(
        "globalThis.before = 1; sessionStorage.kept = localStorage.kept = 'something';"
        "indexedDB.open('kept')"
    )
    tab.wait_answered()

    # The countdown is told, and a touch stops it.
    page.evaluate(f"{presence}.at -= 53_000")
    page.get_by_text("Are you still there?").wait_for()
    tab.wait("() => Number(document.querySelector('#kiosk-sign output').textContent) < 8")
    page.mouse.click(700, 400)
    assert not page.locator("#kiosk-sign").is_visible()

    # Without a server it stays: a browser's own page would be the end.
    page.evaluate(
        "globalThis.real = fetch; globalThis.fetch = async () => ({ ok: false });"
        f"{presence}.at -= 60_000; lightning.kiosk.beginAnew()"
    )
    assert page.evaluate("globalThis.before") == 1
    page.evaluate("globalThis.fetch = real; lightning.kiosk.tried = -Infinity")
    tab.wait("() => !globalThis.before && globalThis.lightning?.kiosk")
    assert tab.wait_answered()["prompt"] == first == tab.prompt.input_value()
    assert tab.request()["num_inference_steps"] == 4
    kept = "[sessionStorage.kept, localStorage.kept].filter(Boolean).length"
    assert page.evaluate(kept) == 0
    assert page.evaluate("indexedDB.databases().then(all => all.length)") == 0
    assert not page.evaluate(f"{presence}.used")
