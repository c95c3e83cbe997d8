"""A talk from its first word to its last: presenter, wall, three phones, whatever may happen.

Each act goes on where the one before has ended, with the same pages.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import segno
from PIL import Image
from playwright.sync_api import Browser, FilePayload, Page, ViewportSize

from ..web.fakes import color_of
from .conftest import DESKTOP, PHONE
from .hall import (
    ADDRESS,
    BEGUN,
    BOTH,
    QUARTER,
    REMEMBER,
    SHOTS,
    UNREACHABLE,
    Clock,
    Talk,
    curtain,
    drawn,
    paint,
    send,
    shot,
    shows,
    until,
)

NARROW = ViewportSize(width=360, height=640)
SCRIPT = "# My talk\n\na red house\n  a blue boat 🐈\n\r\na green tree\n"
# The look of a wall may not depend on what its text does: all of it is in view, or its end is.
CAPTION_FITS = """() => { const box = document.getElementById("caption").getBoundingClientRect();
  const text = document.querySelector("#caption span").getBoundingClientRect();
  const end = document.querySelector("#caption i").getBoundingClientRect();
  return [text.left >= box.left - 1 && text.right <= box.right + 1,
    end.bottom <= box.bottom + 1 && end.top >= box.top - 1,
    document.documentElement.scrollWidth <= innerWidth]; }"""
ABOVE_THE_CODE = """() => {
  const of = (name) => document.querySelector(name).getBoundingClientRect();
  const text = of("#caption span");
  return text.top >= 0 && text.bottom <= of("#invitation").top; }"""
PHASE = "phase => document.querySelector('.board')?.dataset.phase === phase"
# The colour in the middle of a place of the board, and the words under it.
PAINTED = """([side, colour, words]) => {
  const box = document.querySelector(`.side[data-side="${side}"]`);
  const canvas = box.querySelector("canvas");
  const { data } = canvas.getContext("2d").getImageData(canvas.width / 2, canvas.height / 2, 1, 1);
  return [...data].slice(0, 3).every((value, place) => Math.abs(value - colour[place]) < 16) &&
    box.querySelector(".side-words span").textContent === words; }"""
BOARD_FITS = """() => [...document.querySelectorAll(".board, .board *")]
  .filter(e => e.checkVisibility() && !e.closest(".overlong"))
  .map(e => e.getBoundingClientRect())
  .every(r => r.left >= -1 && r.right <= innerWidth + 1 && r.bottom <= innerHeight + 1)"""
STAYS_AWAKE = """new Promise(end => { navigator.wakeLock.request = async () => end(true);
  document.dispatchEvent(new Event("visibilitychange")); })"""
WIDTH = "document.documentElement.scrollWidth"
OFFENDING = "a f u c k i n g fox"
TRIED_OUT = "a secret"
LONG = "a small red castle between two green trees by the sea at sunset"
NEVER = {  # on the wall
    *(TRIED_OUT, OFFENDING, "a dog. b f"),
    *("a blue moon", "a green tree by the sea", "a red fox at night"),
}
ARABIC = "قارب أحمر في البحر 🐈"


def test_a_whole_talk(
    talk: Talk,
    browser: Browser,
    clock: Clock,
) -> None:
    wall = talk.open_wall(browser)
    the_wall_is_opened(talk, wall)
    wall.evaluate(REMEMBER)
    wall.mouse.move(100, 100)
    what_is_typed_is_seen(talk, wall)
    the_script_is_played(talk, wall)
    both_lines_are_lost(talk, wall)
    the_hall_is_invited(talk, wall)
    phones = ann, bob, cas = the_hall_joins(talk, browser)
    pictures_are_released(talk, wall, ann, bob)
    two_phones_battle(talk, wall, phones, clock)
    two_keyboards_battle(talk, wall, clock)
    one_is_banned(talk, wall, bob)
    the_hall_is_closed(talk, ann)
    assert NEVER.isdisjoint(wall.evaluate("[...everShown]")), "nothing that was not released"
    until(wall, "() => getComputedStyle(document.body).cursor === 'none'")
    assert wall.evaluate(STAYS_AWAKE)
    any_shape_of_wall_fits(talk, wall)


def the_wall_is_opened(talk: Talk, wall: Page) -> None:
    """The code is typed, in small letters and with a space; a wrong one is told."""
    wall.locator("#code").fill("ZZZ9" if talk.code != "ZZZ9" else "ZZZ8")
    wall.get_by_text("no stage with this code").wait_for()
    wall.locator("#code").fill(f"{talk.code[:2]} {talk.code[2:]}".lower())
    until(wall, "wall.painted")
    assert talk.code in wall.url, "loading it again is enough"
    talk.desk.page.get_by_text("1 screen: 960 × 540").wait_for()


def what_is_typed_is_seen(talk: Talk, wall: Page) -> None:
    """And is not, blank or frozen: by keys of a remote, which in the prompt are letters."""
    desk = talk.desk
    desk.type("a yellow cat")
    shows(wall, "a yellow cat")
    desk.prompt.fill("")
    until(wall, "document.querySelector('#caption span').textContent === ''")
    desk.type("a yellow cat")
    shows(wall, "a yellow cat")
    shot(wall, "wall-typed")
    talk.press("b")
    curtain(wall, True)
    desk.wait("() => document.getElementById('desk-wall').dataset.blank === 'true'")
    desk.type("a dog. b f")
    desk.wait_painted("a dog. b f")
    desk.type("a black dog")
    desk.wait_painted("a black dog")
    assert wall.locator("#caption span").inner_text() == "a yellow cat"
    desk.prompt.press("Alt+b")
    curtain(wall, False)
    shows(wall, "a black dog")

    desk.page.get_by_role("button", name="Freeze").click()
    desk.wait("() => lightning.desk.state.frozen")
    desk.type(TRIED_OUT)
    desk.wait_painted(TRIED_OUT)
    assert desk.text("desk-state") == "Frozen"
    desk.type("a surprise")
    desk.wait_painted("a surprise")
    talk.press("f")
    shows(wall, "a surprise")


def the_script_is_played(talk: Talk, wall: Page) -> None:
    """By the remote, also while the prompt has the cursor, and at a human pace."""
    desk = talk.desk
    with desk.page.expect_file_chooser() as chosen:
        desk.page.get_by_role("button", name="Open a file").click()
    file = FilePayload(name="talk.txt", mimeType="text/plain", buffer=SCRIPT.encode())
    chosen.value.set_files(file)
    desk.page.get_by_text("Script, 0 of 3").wait_for()
    desk.prompt.press("PageDown")
    shows(wall, "a red house")
    talk.press("PageDown")
    shows(wall, "a blue boat 🐈")
    talk.press("PageUp")
    shows(wall, "a red house")

    before, sequence = len(talk.running.engine.requests), desk.sequence()
    desk.page.get_by_label("type the line out").check()
    talk.press("PageDown")
    shows(wall, "a blue boat 🐈")
    asked = [each.prompt for each in talk.running.engine.requests[before:]]
    assert asked and all("a blue boat 🐈".startswith(each) for each in asked)
    assert desk.sequence() - sequence > 5, "key by key"
    desk.wait("() => !lightning.desk.autotype.running")
    talk.press("PageDown")
    desk.wait("() => lightning.controls.value('prompt').startsWith('a g')")
    desk.page.keyboard.press("Shift")
    assert not desk.page.evaluate("lightning.desk.autotype.running"), "a key of one's own stops it"


def both_lines_are_lost(talk: Talk, wall: Page) -> None:
    """The last good picture stays, and all comes back by itself, blank where it was blank."""
    desk = talk.desk
    desk.type("a lighthouse")
    shows(wall, "a lighthouse")
    wall.evaluate("(globalThis.old = wall.follower.socket).close()")
    until(wall, "() => old.readyState === WebSocket.CLOSED")
    shows(wall, "a lighthouse")
    until(wall, "() => wall.follower.socket?.readyState === WebSocket.OPEN")
    talk.press(".")
    curtain(wall, True)
    desk.page.evaluate("(globalThis.old = lightning.transport.socket).close()")
    desk.wait("() => ![null, old].includes(lightning.transport.socket)")
    desk.wait("() => lightning.desk?.presenting")
    kept = desk.page.evaluate("[lightning.desk.state.code, lightning.desk.state.blank]")
    assert kept == [talk.code, True]
    desk.page.get_by_text("1 screen: 960 × 540").wait_for()
    assert wall.locator("#blank").is_visible()
    desk.page.get_by_role("button", name="Blank").click()
    desk.type("a white swan")
    shows(wall, "a white swan")


def the_hall_is_invited(talk: Talk, wall: Page) -> None:
    """The code on the wall is the address, module by module."""
    talk.desk.page.get_by_label("QR code").select_option("large")
    wall.locator("#invitation.large svg").wait_for()
    shot(wall, "wall-invitation-large")
    box = wall.locator("#invitation svg").bounding_box()
    assert box is not None
    expected = segno.make(f"{ADDRESS}/audience?code={talk.code}", error="m", micro=False).matrix
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
    talk.desk.page.get_by_label("QR code").select_option("corner")
    until(wall, "document.body.classList.contains('inviting')")
    talk.desk.type(LONG)
    shows(wall, LONG)
    assert wall.evaluate(ABOVE_THE_CODE)
    shot(wall, "wall-invitation-corner")


def the_hall_joins(talk: Talk, browser: Browser) -> tuple[Page, Page, Page]:
    """Three phones: one by daylight, one dark and from right to left, one in line."""
    desk = talk.desk.page
    ann = talk.open_phone(browser)
    ann.locator("#number", has_text="1").wait_for()
    desk.get_by_text("1 phone, 0 painting").wait_for()
    shot(ann, "phone-joined")
    ann.get_by_role("button", name="Add your name").tap()
    ann.get_by_label("Your name, if you like").fill("Ann 🦊")
    ann.get_by_role("button", name="Save").tap()
    ann.get_by_text("Ann 🦊").wait_for()
    send(ann, "a red fox in the snow")
    shot(ann, "phone-sent")
    assert ann.evaluate(UNREACHABLE) == []

    bob = talk.open_phone(browser, viewport=NARROW, color_scheme="dark")
    bob.locator("#number", has_text="2").wait_for()
    bob.locator("#prompt").fill(OFFENDING)
    bob.get_by_text("Not on this wall, please").wait_for()
    assert bob.locator("#send").is_disabled()
    send(bob, ARABIC)
    assert bob.evaluate("getComputedStyle(document.getElementById('prompt')).direction") == "rtl"
    assert bob.evaluate(UNREACHABLE) == []
    assert bob.evaluate(WIDTH) == NARROW["width"]
    shot(bob, "phone-dark")
    send(bob, "a blue moon")

    # The third has the address without the code; both seats are taken.
    cas = talk.open_phone(browser, "")
    field = cas.get_by_label("The code on the wall")
    field.fill("K")
    cas.get_by_role("button", name="Join").tap()
    cas.get_by_text("A code has 4 letters and digits.").wait_for()
    shot(cas, "phone-code")
    field.fill(talk.code.lower())
    cas.get_by_role("button", name="Join").tap()
    cas.locator("#number", has_text="3").wait_for()
    cas.locator("#prompt").fill("a green tree by the sea")
    cas.get_by_text("In line: you are next").wait_for()
    shot(cas, "phone-in-line")
    desk.get_by_text("3 phones, 2 painting, 1 in line").wait_for()
    for width, height in ((740, 360), (390, 420), (360, 640), (390, 844)):
        drawn(cas, width, height)
        assert cas.evaluate(WIDTH) <= width
        assert cas.evaluate(UNREACHABLE) == []
        shot(cas, f"phone-{width}-{height}")
    return ann, bob, cas


def pictures_are_released(talk: Talk, wall: Page, ann: Page, bob: Page) -> None:
    """The presenter sees thumbnail and words, and shows one; the hall likes it."""
    desk = talk.desk.page
    waiting = desk.locator("#desk-tray li")
    waiting.nth(2).wait_for()
    assert waiting.nth(0).locator("p").inner_text() == "a red fox in the snow"
    assert waiting.nth(0).locator("img").evaluate("e => e.complete && e.naturalWidth") == 192
    assert wall.locator("#caption span").inner_text() == LONG
    desk.locator("#desk-audience").scroll_into_view_if_needed()
    shot(desk, "desk-tray")
    waiting.nth(0).get_by_role("button", name="Show").click()
    shows(wall, "a red fox in the snow")
    wall.locator("#credit", has_text="1 Ann 🦊").wait_for()
    ann.get_by_text("Yours!").wait_for()

    bob.get_by_role("button", name="I like it").tap()
    desk.get_by_label("show votes on the wall").check()
    wall.locator("#credit", has_text="♥ 1").wait_for()
    shot(wall, "wall-released")
    shot(bob, "phone-voted")
    desk.get_by_label("leave out who painted it").check()
    until(wall, "!document.getElementById('credit').textContent.includes('Ann')")
    desk.get_by_label("leave out who painted it").uncheck()


def order(talk: Talk, verb: str) -> None:
    """A button of the battle."""
    talk.desk.page.locator(f"#desk-battle [data-verb={verb}]:visible").first.click()


def two_phones_battle(
    talk: Talk, wall: Page, phones: tuple[Page, Page, Page], clock: Clock
) -> None:
    """Two of the hall play, the third votes, and the clock decides when."""
    desk, (ann, bob, cas) = talk.desk.page, phones
    desk.locator("#desk-battle summary").click()
    desk.locator("#desk-battle-lines").fill("the sea\nthe moon")
    desk.locator("#desk-battle-seconds").fill("5")
    desk.locator("#desk-battle-seconds").blur()
    desk.get_by_text("seconds: must be a whole number from 10 to 600.").wait_for()
    desk.locator("#desk-battle-seconds").fill("600")
    desk.locator("#desk-battle-players").select_option("volunteers")
    order(talk, "gather")
    until(wall, PHASE, arg="gather")
    for phone in (ann, bob):
        phone.get_by_role("button", name="I would like to play").tap()
        phone.get_by_text("You are on the list").wait_for()
    desk.get_by_text("Volunteers: 1 Ann 🦊, 2").wait_for()
    for side in "ab":
        desk.locator(f".battle-side[data-side={side}] [data-verb=draw]").click()
        drew = "side => lightning.desk.battle.state.sides[side].by !== null"
        desk.wait_for_function(drew, arg=side)
    order(talk, "start")
    until(wall, BEGUN)
    clock.skip(3)
    until(wall, PHASE, arg="typing")
    for phone in (ann, bob):
        until(phone, "() => phone.battle.playing && phone.battle.state.types")
    if ann.evaluate("phone.battle.state.side") == "b":
        ann, bob = bob, ann
    assert wall.locator(".board-line").inner_text() == "the sea"

    # Both type at once, and both are seen, whatever shape the wall has.
    ann.locator("#prompt").press_sequentially("a wave", delay=20)
    words = ("سفينة حمراء في البحر 🐈 " * 9).strip()
    bob.locator("#prompt").fill(words)
    for side, prompt in (("a", "a wave"), ("b", words)):
        until(wall, PAINTED, arg=[side, list(color_of(prompt)), prompt])
    for width, height in ((1920, 1080), (1024, 768), (1080, 1920), (960, 540)):
        drawn(wall, width, height)
        assert wall.evaluate(BOARD_FITS), (width, height)
        shot(wall, f"battle-wall-{width}")
    bob.locator("#prompt").fill(OFFENDING)
    bob.get_by_text("Not on this wall, please").wait_for()
    assert words in wall.locator(".side[data-side=b] .side-words").inner_text()
    for phone in (ann, bob):
        assert phone.evaluate(UNREACHABLE) == []
        assert phone.evaluate(f"{WIDTH} <= innerWidth")
    shot(ann, "battle-phone")

    # A player's page is loaded again in the middle of it, and goes on.
    ann.reload()
    until(ann, "() => document.getElementById('prompt').value === 'a wave'")
    ann.locator("#prompt").press_sequentially("s", delay=20)
    until(wall, PAINTED, arg=["a", list(color_of("a waves")), "a waves"])

    # Blank wins, and the desk's small wall shows the same board.
    talk.press("b")
    curtain(wall, True)
    talk.press("b")
    curtain(wall, False)
    desk.wait_for_function(
        "() => document.querySelector('#desk-wall .board .side-words span').textContent"
    )
    shot(desk, "battle-desk")

    # The presenter ends the typing; the hall votes, who plays does not, until the clock says so.
    order(talk, "cut")
    until(wall, PHASE, arg="voting")
    cas.locator("#battle-vote button[data-side=b]").tap()
    cas.get_by_text("You may still change your mind.").wait_for()
    assert cas.evaluate(UNREACHABLE) == []
    shot(cas, "battle-phone-votes")
    assert not ann.locator("#battle-vote").is_visible()
    desk.get_by_text("Votes 0 : 1").wait_for()
    clock.skip(20)
    until(wall, PHASE, arg="verdict")
    assert wall.locator(".board").get_attribute("data-winner") == "b"
    bob.get_by_text("You win the round!").wait_for()
    shot(wall, "battle-wall-verdict")
    order(talk, "finish")
    until(wall, PHASE, arg="over")
    assert wall.locator(".board-clock").inner_text() == "0 : 1"
    order(talk, "stop")
    until(wall, "() => document.getElementById('battle').hidden")
    until(ann, "() => document.getElementById('battle').hidden")


def two_keyboards_battle(talk: Talk, wall: Page, clock: Clock) -> None:
    """Both boxes are open on this computer, and typing ends with the clock."""
    desk = talk.desk.page
    desk.locator("#desk-battle-players").select_option("keyboards")
    order(talk, "gather")
    desk.locator("#desk-battle-codes b").first.wait_for()
    with desk.expect_popup() as popup:
        order(talk, "both")
    both = popup.value
    both.locator(".seat").nth(1).wait_for()
    desk.wait_for_function(BOTH)
    order(talk, "start")
    until(wall, BEGUN)
    clock.skip(3)
    for side, prompt in (("A", "a red boat"), ("B", "a blue whale")):
        both.locator(f"textarea[aria-label='Prompt of side {side}']:enabled").fill(prompt)
        seen = [side.lower(), list(color_of(prompt)), prompt]
        until(wall, PAINTED, arg=seen)
    shot(both, "battle-keyboards")
    clock.skip(600)
    until(wall, PHASE, arg="voting")
    both.close()
    order(talk, "stop")
    until(wall, "() => document.getElementById('battle').hidden")


def one_is_banned(talk: Talk, wall: Page, bob: Page) -> None:
    """All that they sent is gone at once, from a frozen wall, too; their phone is closed."""
    desk = talk.desk.page
    waiting = desk.locator("#desk-tray li")
    waiting.nth(1).wait_for()
    waiting.nth(0).get_by_role("button", name="Show").click()
    shows(wall, ARABIC)
    shot(wall, "wall-right-to-left")
    desk.get_by_role("button", name="Freeze").click()
    desk.get_by_text("Shown so far: 2").click()
    released = desk.locator("#desk-released li").nth(0)
    assert released.locator("p").inner_text() == ARABIC
    shot(desk, "desk-shown")
    released.get_by_role("button", name="Ban").click()
    released.get_by_role("button", name="Sure?").click()
    curtain(wall, True)
    bob.get_by_text("The presenter has closed this door for you.").wait_for()
    shot(bob, "phone-banned")
    desk.get_by_text("Shown so far: 1").wait_for()
    waiting.first.wait_for(state="detached")
    bob.reload()
    bob.get_by_text("The presenter has closed this door for you.").wait_for()
    desk.get_by_role("button", name="Freeze").click()
    curtain(wall, False)


def the_hall_is_closed(talk: Talk, ann: Page) -> None:
    """A phone loses its line and keeps its number; closed, nobody paints; all shown is saved."""
    desk = talk.desk
    ann.evaluate("(globalThis.old = phone.socket.socket).close()")
    until(ann, "() => ![null, old].includes(phone.socket.socket)")
    paint(ann, "a red fox at night")
    assert ann.locator("#number").inner_text() == "1"
    ann.reload()
    until(ann, "() => document.getElementById('number').textContent === '1'")
    assert ann.locator("#prompt").input_value() == "a red fox at night"

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

    # The desk's page is loaded again: switches and what was shown are as they were.
    desk.page.reload()
    desk.wait("() => globalThis.lightning?.desk?.presenting")
    assert desk.page.evaluate("lightning.desk.audience.hall.open") is False
    desk.page.get_by_text("Shown so far: 1").wait_for()
    for size in (PHONE, DESKTOP):
        desk.resize(size)
        assert desk.page.evaluate(WIDTH) <= size["width"]
        shot(desk.page, f"desk-{size['width']}")


def any_shape_of_wall_fits(talk: Talk, wall: Page) -> None:
    """Sharp in its own pixels, and with every text in bounds."""
    drawn(wall, 1920, 1080)
    until(wall, "document.getElementById('picture').height === 1080")
    assert wall.evaluate("innerHeight") == 1080
    for text in ("x" * 300, "سماء زرقاء " * 9, "a long one, " * 90 + "the end"):
        talk.desk.prompt.fill(text)
        until(
            wall, "text => document.querySelector('#caption span').textContent === text", arg=text
        )
        for width, height in ((1920, 1080), (1024, 768), (PHONE["width"], PHONE["height"])):
            drawn(wall, width, height)
            assert wall.evaluate(CAPTION_FITS) == [True, True, True], (text[:20], width)
    assert wall.evaluate("document.documentElement.clientWidth") != QUARTER["width"]


# What a phone sends, or is told, at a bad moment; the line breaks first.
BROKEN = """() => { phone.socket.socket.close();
  document.getElementById("send").click(); }"""
VOTED_LATE = """() => {
  const shown = { prompt: "a boat", by: null, own: false, voted: false };
  phone.hall.show({ shown: { ...shown, entry: 5 }, sent: [] });
  document.getElementById("vote").click();
  phone.hall.show({ shown: { ...shown, entry: 6 }, sent: [] });
  phone.hall.voted("The wall shows another one by now.");
  return document.getElementById("vote").ariaPressed;
}"""


def test_what_a_phone_does_at_a_bad_moment(talk: Talk, browser: Browser) -> None:
    phone = talk.open_phone(browser)
    paint(phone, "a red fox")
    phone.get_by_role("button", name="Add your name").tap()
    phone.get_by_label("Your name, if you like").fill("An")
    phone.evaluate(BROKEN)
    until(phone, "() => !document.getElementById('send').disabled")
    assert phone.get_by_label("Your name, if you like").input_value() == "An"
    send(phone, "a red fox")
    assert phone.evaluate(VOTED_LATE) == "false"
