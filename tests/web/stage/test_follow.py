"""Screens that follow a presenter: real server, real sockets."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from contextlib import ExitStack

import httpx
import pytest
from PIL import Image
from websockets.exceptions import ConnectionClosed, InvalidStatus

from lightning_demo.web.stage import stage
from lightning_demo.web.stage.stage import WRONG_CODES, screen_of
from lightning_demo.web.stage.wall import Screen
from lightning_demo.web.stage.walls import MAX_FOLLOWERS

from ..conftest import Running, wait_for
from ..fakes import color_of
from .conftest import Hall, ScreenSocket

Make = Callable[..., Hall]


def shows(screen: ScreenSocket, prompt: str) -> None:
    """Waits until words and finished picture are those of a prompt."""
    screen.until(lambda s: s.scene.get("prompt") == prompt and s.header.get("final"))
    wanted = color_of(prompt)

    def right(screen: ScreenSocket) -> bool:
        pixel = Image.open(io.BytesIO(screen.header["data"])).convert("RGB").getpixel((64, 64))
        return all(abs(a - b) < 16 for a, b in zip(pixel, wanted, strict=True))

    screen.until(right)


def test_a_screen_shows_what_the_presenter_types_and_gets(place: Hall) -> None:
    with place.presenter() as presenter:
        code = presenter.wish()["code"]
        with place.screen(code.lower(), "&size=3840x2160") as screen:
            screen.prompt(None)
            presenter.paint("a red cat")
            shows(screen, "a red cat")
            assert "prompt" not in screen.header, "words are the wall's own"
            answer = presenter.wish(empty=True)
            screen.prompt("")
            assert answer["screens"] == [{"width": 3840, "height": 2160, "desk": False}]
            presenter.paint("a dog")
            shows(screen, "a dog")
        presenter.until(lambda m: m["type"] == "wall" and not m["screens"])


def test_a_screen_that_comes_later_shows_the_same(place: Hall) -> None:
    with place.presenter() as presenter:
        code = presenter.wish()["code"]
        presenter.paint("a boat")
        with place.screen(code) as screen:
            shows(screen, "a boat")


def test_words_are_shown_as_they_are_typed(place: Hall) -> None:
    with place.presenter() as presenter:
        code = presenter.wish()["code"]
        with place.screen(code) as screen:
            for typed in ("a red ", "  a  red boat", "<b>قارب</b> 🐈"):
                presenter.paint(typed)
                screen.prompt(typed)


def test_blank_hides_from_the_network_too_and_comes_back(place: Hall) -> None:
    with place.presenter() as presenter:
        code = presenter.wish()["code"]
        with place.screen(code) as screen:
            presenter.paint("a boat")
            shows(screen, "a boat")
            presenter.wish(blank=True)
            screen.until(lambda s: s.scene["blank"])
            before = screen.frames
            presenter.paint("not for you")
            with place.screen(code) as late:
                late.until(lambda s: s.scene)
                assert late.scene["blank"] and late.scene["prompt"] is None
                presenter.wish(blank=False)
                shows(late, "not for you")
            screen.receive()
            assert screen.frames == before + 1 and screen.scene["blank"], "first the picture"
            screen.until(lambda s: not s.scene["blank"])
            assert screen.scene["prompt"] == "not for you"


def test_frozen_nothing_new_comes_and_unfrozen_the_newest(place: Hall) -> None:
    with place.presenter() as presenter:
        code = presenter.wish()["code"]
        presenter.paint("a boat")
        presenter.wish(frozen=True)
        presenter.paint("one try")
        presenter.paint("another try")
        with place.screen(code) as screen:
            shows(screen, "a boat")
            presenter.wish(frozen=False)
            shows(screen, "another try")
            assert screen.frames <= 2, "and nothing between them"


def test_a_screen_that_reads_slowly_gets_the_newest_and_holds_up_nobody(place: Hall) -> None:
    with place.presenter() as presenter:
        code = presenter.wish()["code"]
        with place.screen(code) as slow, place.screen(code) as quick:
            for number in range(12):
                presenter.paint(f"boat {number}")
                shows(quick, f"boat {number}")
            shows(slow, "boat 11")
            assert slow.frames < 12


def test_what_a_screen_says_changes_nothing(place: Hall) -> None:
    forged = {"present": {"blank": True}, "sequence": 1}
    with place.presenter() as presenter:
        code, token = (presenter.wish()[name] for name in ("code", "token"))
        with place.screen(code) as screen:
            for text in ("", "hello", "[" * 5000, '{"seen": -1}', '{"pause": true}'):
                screen.connection.send(text)
            screen.connection.send(b"\x00\xff")
            screen.connection.send(json.dumps(forged))
            forged["present"] |= {"code": code, "token": token}
            screen.connection.send(json.dumps(forged))
            screen.connection.send('{"sequence": 1, "request": {"prompt": "forged"}}')
            presenter.paint("a boat")
            shows(screen, "a boat")
            assert not presenter.wish()["blank"]
            assert all(each.prompt != "forged" for each in place.running.engine.requests)


def test_a_stage_opened_again_and_again_refuses_in_words_and_goes_on(place: Hall) -> None:
    with place.presenter() as presenter, ExitStack() as screens:
        code = presenter.wish()["code"]
        refused = 0
        last = None
        for _ in range(MAX_FOLLOWERS + 40):
            with ExitStack() as one:
                screen = one.enter_context(place.screen(code))
                message = screen.receive()
                if message["type"] == "refused":
                    refused += 1
                    assert "screens follow this stage already" in message["message"]
                    with pytest.raises(ConnectionClosed):
                        screen.receive()
                else:
                    last = screen
                    screens.push(one.pop_all())
        assert refused == 40
        presenter.paint("a boat")
        assert last is not None
        shows(last, "a boat")
        assert len(presenter.wish()["screens"]) == MAX_FOLLOWERS


def test_wrong_codes_are_refused_in_words_and_soon_more_slowly(
    hall: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "WRONG_CODES_PER_SECOND", 0.001)  # on a slow machine, too
    place = hall()
    with place.presenter() as presenter:
        code = presenter.wish()["code"]
        wrong = "ZZZZ" if code != "ZZZZ" else "YYYY"
        said = []
        for _ in range(WRONG_CODES + 2):
            with place.screen(wrong) as screen:
                said.append(screen.receive())
        assert said[0]["unknown"] and "no stage with this code" in said[0]["message"]
        assert any("Too many codes were tried" in each["message"] for each in said)


def test_a_throttled_address_learns_nothing_of_right_codes(
    hall: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "WRONG_CODES_PER_SECOND", 0.001)
    place = hall()
    with place.presenter() as presenter:
        code = presenter.wish()["code"]
        for _ in range(WRONG_CODES + 1):
            with place.screen("none") as screen:
                screen.receive()
        with place.screen(code) as screen:
            assert "Too many codes were tried; wait" in screen.receive()["message"]


def test_without_the_option_there_is_no_stage(running: Running) -> None:
    assert httpx.get(f"{running.url}/stage").status_code == 404
    with pytest.raises(InvalidStatus), Hall(running).screen("K7QX"):
        pass
    with running.socket() as tab:
        tab.say({"sequence": 1, "present": {}})
        assert "no stage" in tab.error()["message"]


def test_the_page_of_a_screen_is_there_and_other_pages_cannot_follow(hall: Make) -> None:
    place = hall(cors_origins="https://other.example")
    page = httpx.get(f"{place.running.url}/stage")
    assert page.status_code == 200 and "text/html" in page.headers["content-type"]
    assert "http://" not in page.text and "https://" not in page.text, "nothing from outside"
    with place.presenter() as presenter:
        code = presenter.wish()["code"]
        for origin in ("https://evil.example", "https://other.example"):
            with pytest.raises(InvalidStatus), place.screen(code, origin=origin):
                pass


def test_a_screen_finds_its_wall_again_after_a_restart(hall: Make) -> None:
    first, second = hall(), hall()
    with first.presenter() as presenter:
        held = {**presenter.wish(blank=True), "type": None}
    with second.presenter() as presenter:
        with second.screen(held["code"]) as screen:
            assert screen.receive()["unknown"], "until the presenter is back"
        presenter.held = {name: held[name] for name in ("code", "token")}
        assert presenter.wish(blank=True)["code"] == held["code"]
        with second.screen(held["code"]) as screen:
            screen.until(lambda s: s.scene)
            assert screen.scene["blank"], "as it was"


def test_screens_end_with_the_server(hall: Make) -> None:
    place = hall()
    with place.presenter() as presenter:
        code = presenter.wish()["code"]
        with place.screen(code) as screen:
            screen.until(lambda s: s.scene)
            place.running.server.stop()
            with pytest.raises(ConnectionClosed) as caught:
                screen.receive()
    assert caught.value.rcvd is not None and caught.value.rcvd.code == 1001


def test_a_left_wall_has_no_followers(place: Hall) -> None:
    with place.presenter() as presenter:
        code = presenter.wish()["code"]
        with place.screen(code) as screen:
            screen.until(lambda s: s.scene)
    walls = place.running.server._service.stage.walls
    wait_for(lambda: not walls.find(code).followers and walls.find(code).presenter is None)


@pytest.mark.parametrize(
    ("size", "screen"),
    [
        ("1920x1080", Screen(1920, 1080)),
        ("7680x4320", Screen(7680, 4320)),
        ("", Screen()),
        ("x", Screen()),
        ("0x5", Screen()),
        ("-1x5", Screen()),
        ("٣x٣", Screen()),
        ("9" * 5000 + "x5", Screen()),
        ("1920x1080x2", Screen()),
        ("<b>x5", Screen()),
    ],
)
def test_sizes_are_believed_within_bounds(size: str, screen: Screen) -> None:
    assert screen_of(size, False) == screen
