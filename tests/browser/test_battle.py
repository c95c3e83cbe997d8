"""A prompt battle in a real browser: desk, wall, two phones that play and one that votes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page

from lightning_demo.web.stage.battle import battle as rules

from ..web.conftest import Running
from ..web.fakes import color_of
from .conftest import PHONE, Visit
from .test_audience import UNREACHABLE, Phones, hall, open_wall, shot  # noqa: F401 - a fixture

HallOf = tuple[Visit, Phones, Running, list[str]]
PHASE = "phase => document.querySelector('.board')?.dataset.phase === phase"
# The colour in the middle of a place of the board, and the words under it.
PAINTED = """([side, colour, words]) => {
  const box = document.querySelector(`.side[data-side="${side}"]`);
  const canvas = box.querySelector("canvas");
  const { data } = canvas.getContext("2d").getImageData(canvas.width / 2, canvas.height / 2, 1, 1);
  return [...data].slice(0, 3).every((value, place) => Math.abs(value - colour[place]) < 16) &&
    box.querySelector(".side-words span").textContent === words; }"""
FITS = """() => [...document.querySelectorAll(".board, .board *")].filter(e => e.checkVisibility())
  .filter(e => !e.closest(".overlong")).map(e => e.getBoundingClientRect())
  .every(r => r.left >= -1 && r.right <= innerWidth + 1 && r.bottom <= innerHeight + 1)"""
SIZES = ((1920, 1080), (1024, 768), (1080, 1920))


def wait_phase(wall: Page, phase: str) -> None:
    wall.wait_for_function(PHASE, arg=phase)


def test_a_battle(
    hall: HallOf,  # noqa: F811 - the fixture
    browser: Browser,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rules, "VOTE_SECONDS", 3600.0)
    desk, phones, running, _ = hall
    page = desk.page
    press: Callable[[str], None] = lambda verb: page.locator(  # noqa: E731
        f"#desk-battle [data-verb={verb}]:visible"
    ).first.click()
    code = page.evaluate("lightning.desk.state.code")
    wall = open_wall(browser, running, code)
    ann, bob, cas = (phones.open(code) for _ in range(3))

    # What cannot be is told where it is typed, by field and range.
    page.locator("#desk-battle summary").click()
    page.locator("#desk-battle-lines").fill("the sea\nthe moon")
    page.locator("#desk-battle-seconds").fill("5")
    page.locator("#desk-battle-seconds").blur()
    page.get_by_text("seconds: must be a whole number from 10 to 600.").wait_for()
    page.locator("#desk-battle-seconds").fill("600")
    page.locator("#desk-battle-players").select_option("volunteers")
    press("gather")
    wait_phase(wall, "gather")

    # Two of the hall want to play.
    for phone in (ann, bob):
        phone.get_by_role("button", name="I would like to play").tap()
        phone.get_by_text("You are on the list").wait_for()
    page.get_by_text("Volunteers: 1, 2").wait_for()
    for side in "ab":
        page.locator(f".battle-side[data-side={side}] [data-verb=draw]").click()
        page.wait_for_function(
            "side => lightning.desk.battle.state.sides[side].by !== null", arg=side
        )
    press("start")
    wait_phase(wall, "typing")
    for phone in (ann, bob):
        phone.wait_for_function("() => phone.battle.playing && phone.battle.state.types")
    if ann.evaluate("phone.battle.state.side") == "b":
        ann, bob = bob, ann
    assert wall.locator(".board-line").inner_text() == "the sea"

    # Both type at once, and both are seen, whatever shape the wall has.
    ann.locator("#prompt").press_sequentially("a wave", delay=20)
    bob.locator("#prompt").fill("سفينة حمراء في البحر 🐈 " * 9)
    words = ("سفينة حمراء في البحر 🐈 " * 9).strip()
    for side, prompt in (("a", "a wave"), ("b", words)):
        wall.wait_for_function(PAINTED, arg=[side, list(color_of(prompt)), prompt])
    for width, height in SIZES:
        wall.set_viewport_size({"width": width, "height": height})
        wall.evaluate("new Promise(end => requestAnimationFrame(() => setTimeout(end)))")
        assert wall.evaluate(FITS), (width, height)
        shot(wall, f"battle-wall-{width}")
    bob.locator("#prompt").fill("a s h i t")
    bob.get_by_text("Not on this wall, please").wait_for()
    assert words in wall.locator(".side[data-side=b] .side-words").inner_text()
    for phone in (ann, bob):
        assert phone.evaluate(UNREACHABLE) == []
        assert phone.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    shot(ann, "battle-phone")

    # A player's page is loaded again in the middle of it, and goes on.
    ann.reload()
    ann.wait_for_function("() => document.getElementById('prompt').value === 'a wave'")
    ann.locator("#prompt").press_sequentially("s", delay=20)
    wall.wait_for_function(PAINTED, arg=["a", list(color_of("a waves")), "a waves"])

    # Blank wins, and the desk's small wall shows the same board.
    page.get_by_role("button", name="Blank").click()
    wall.wait_for_function("() => !document.getElementById('blank').hidden")
    page.get_by_role("button", name="Blank").click()
    wall.wait_for_function("() => document.getElementById('blank').hidden")
    page.wait_for_function(
        "() => document.querySelector('#desk-wall .board .side-words span').textContent"
    )
    shot(page, "battle-desk")

    # The hall votes, who plays does not, and the score is on the wall.
    press("cut")
    wait_phase(wall, "voting")
    cas.locator("#battle-vote button[data-side=b]").tap()
    cas.get_by_text("You may still change your mind.").wait_for()
    assert cas.evaluate(UNREACHABLE) == []
    shot(cas, "battle-phone-votes")
    assert not ann.locator("#battle-vote").is_visible()
    page.get_by_text("Votes 0 : 1").wait_for()
    press("cut")
    wait_phase(wall, "verdict")
    assert wall.locator(".board").get_attribute("data-winner") == "b"
    bob.get_by_text("You win the round!").wait_for()
    shot(wall, "battle-wall-verdict")
    press("finish")
    wait_phase(wall, "over")
    assert wall.locator(".board-clock").inner_text() == "0 : 1"
    press("stop")
    wall.wait_for_function("() => document.getElementById('battle').hidden")
    ann.wait_for_function("() => document.getElementById('battle').hidden")
    for phone in (ann, bob, cas):
        phone.goto("about:blank")  # they would go on painting, and keep seats of the next test
    desk.resize(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]

    # Two keyboards: both boxes open on this computer.
    page.locator("#desk-battle-players").select_option("keyboards")
    press("gather")
    page.locator("#desk-battle-codes b").first.wait_for()
    with page.expect_popup() as popup:
        press("both")
    both = popup.value
    both.locator(".seat").nth(1).wait_for()
    page.wait_for_function("() => lightning.desk.battle.state.sides?.b.here")
    press("start")
    for side, prompt in (("A", "a red boat"), ("B", "a blue whale")):
        both.locator(f"textarea[aria-label='Prompt of side {side}']:enabled").fill(prompt)
        letter = side.lower()
        wall.wait_for_function(PAINTED, arg=[letter, list(color_of(prompt)), prompt])
    shot(both, "battle-keyboards")
    both.close()
    press("stop")
    wall.context.close()
