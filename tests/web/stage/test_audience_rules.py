"""The rules of tray, members and seats, on a clock of the test's own."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest

from lightning_demo import reachable
from lightning_demo.errors import EngineUnavailable, InvalidRequest, InvalidSetting, RateLimited
from lightning_demo.images import encode_jpeg
from lightning_demo.schemas import GenerationRequest
from lightning_demo.settings import Settings
from lightning_demo.web.admission import Admission
from lightning_demo.web.stage.audience import audience as rules
from lightning_demo.web.stage.audience import members, tray
from lightning_demo.web.stage.audience.audience import Audience
from lightning_demo.web.stage.audience.hall import MAX_ACTS, Act, Hall, parse_acts
from lightning_demo.web.stage.audience.invitation import addresses
from lightning_demo.web.stage.audience.members import LUMINANCE, Banned, Member, Members, colour_of
from lightning_demo.web.stage.audience.phone_messages import parse
from lightning_demo.web.stage.audience.seats import GRACE_SECONDS
from lightning_demo.web.stage.audience.tray import Painting
from lightning_demo.web.stage.audience.words import WordList
from lightning_demo.web.stage.wall import Picture, Wall

from ..fakes import FakeEngine

NOBODY = WordList(())
HOME = "10.0.0.1"


class Line:
    """A phone's connection."""

    def __init__(self) -> None:
        self.why = ""

    def look(self) -> None:
        pass

    def end(self, reason: str, message: str) -> None:
        self.why = reason


def painting(prompt: str = "a boat", size: int = 64) -> Painting:
    request = GenerationRequest(prompt, "", 4, 0.0, 7, 256, 256)
    engine = FakeEngine()
    pixels = engine.paint(request)[:size, :size]
    return Painting(prompt, request, Picture({"final": True}, encode_jpeg(pixels)))


class House:
    """An audience and its time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.seats = Admission(2, lambda: self.now)
        self.wall = Wall("K7QX")
        self.audience = Audience(self.wall, Members(self.seats), NOBODY)
        self._acts = itertools.count()

    def member(self, address: str = HOME, token: str = "") -> Member:
        member = self.audience.members.join(token, address, self.now)
        member.phone = Line()
        return member

    def send(self, member: Member, prompt: str = "a boat") -> None:
        asyncio.run(self.audience.send(member, painting(prompt), self.now))

    def act(self, verb: Any, entry: int) -> None:
        self.audience.act(Act(next(self._acts), verb, entry), self.now)

    def shown(self) -> str | None:
        return self.wall.visible.prompt


@pytest.fixture
def house() -> House:
    return House()


def test_nothing_is_shown_that_was_not_released(house: House) -> None:
    house.send(house.member())
    for _ in range(100):
        house.now += 60
        house.audience.advance(house.now)
    assert house.shown() is None


def test_without_approval_each_is_to_be_seen_for_a_while(house: House) -> None:
    house.audience.set(Hall(approval=False), ())
    for prompt in ("one", "two"):
        house.send(house.member(), prompt)
    seen = []
    for _ in range(40):
        house.now += rules.SHOW_SECONDS / 8
        house.audience.advance(house.now)
        seen.append(house.shown())
    assert seen.count("one") >= 7 and seen[-1] == "two"
    house.wall.type("the presenter speaks")
    house.audience.advance(house.now)
    house.send(house.member(), "three")
    house.audience.advance(house.now + 1)
    assert house.shown() == "the presenter speaks"
    house.wall.set(frozen=True, blank=False, look=house.wall.look)
    house.audience.advance(house.now + 100)
    assert house.audience.tray.waiting, "nothing moves while it is frozen"


def test_a_ban_reaches_a_wall_that_is_blank_and_frozen(house: House) -> None:
    member = house.member()
    house.send(member)
    house.act("pin", 1)
    assert house.shown() == "a boat"
    house.wall.set(frozen=True, blank=True, look=house.wall.look)
    house.act("ban", 1)
    house.wall.set(frozen=True, blank=False, look=house.wall.look)
    assert house.shown() is None and house.wall.visible.picture is None
    assert not house.wall.pinned


def test_a_ban_while_a_picture_is_on_its_way_keeps_it_out(house: House) -> None:
    member = house.member()
    house.send(member)

    async def both() -> None:
        sending = asyncio.create_task(house.audience.send(member, painting("late"), house.now))
        await asyncio.sleep(0)
        house.act("ban", 1)
        await sending

    asyncio.run(both())
    assert not list(house.audience.tray)


def test_the_tray_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tray, "MAX_WAITING", 4)
    house = House()
    one = house.audience.tray
    first = house.member()
    for number in range(tray.WAITING_EACH):
        one.add(first, painting(f"{number}"), b"")
    with pytest.raises(RateLimited, match="of yours"):
        one.add(first, painting("more"), b"")
    one.add(house.member(), painting(), b"")
    with pytest.raises(RateLimited, match="full"):
        one.add(house.member(), painting(), b"")


def test_the_gallery_is_bounded_and_what_is_shown_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = tray.Tray()
    house = House()
    size = len(painting().picture.data)
    monkeypatch.setattr(tray, "RELEASED_BYTES", int(size * 2.5))
    for number in range(4):
        kept.release(kept.add(house.member(), painting(f"{number}"), b""))
    assert [entry.painting.prompt for entry in kept.released] == ["2", "3"]
    monkeypatch.setattr(tray, "RELEASED_BYTES", 1)
    kept.release(kept.add(house.member(), painting("4"), b""))
    assert [entry.painting.prompt for entry in kept.released] == ["4"]


def test_a_token_is_ours_or_none(house: House) -> None:
    one, two = house.member(), house.member()
    assert (one.number, two.number) == (1, 2) and one.token != two.token
    assert house.member(token=one.token) is one
    guessed = house.member(token="guessed")  # noqa: S106
    assert guessed.number == 3 and guessed.token != "guessed"  # noqa: S105


def test_a_hall_behind_one_address_comes_at_once_and_a_flood_does_not(house: House) -> None:
    for _ in range(members.JOINS):
        house.member().phone = None
    with pytest.raises(RateLimited, match="tries again by itself"):
        house.member()
    house.member("10.0.0.2")
    house.now += 1
    house.member()


def test_after_a_ban_new_ones_from_there_wait_a_little_but_known_ones_do_not(house: House) -> None:
    bad, good = house.member(), house.member()
    house.audience.members.ban(bad, house.now)
    assert isinstance(bad.phone, Line) and bad.phone.why == "banned"
    with pytest.raises(Banned):
        house.member(token=bad.token)
    assert house.member(token=good.token) is good
    for _ in range(members.JOINS_WHEN_WARY):
        house.member()
    with pytest.raises(RateLimited):
        house.member()
    house.now += 1 / members.JOINS_PER_SECOND_WHEN_WARY
    house.member()
    house.now += members.WARY_SECONDS
    for _ in range(50):
        house.member()


def test_members_are_bounded_and_those_away_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members, "MAX_PHONES", 5)
    monkeypatch.setattr(members, "MAX_MEMBERS", 6)
    house = House()
    here = [house.member() for _ in range(5)]
    with pytest.raises(EngineUnavailable):
        house.member()
    for _ in range(20):
        house.audience.members.leave(here[-1], here[-1].phone, house.now)  # type: ignore[arg-type]
        here[-1] = house.member()
    assert len(list(house.audience.members)) <= 6
    assert here[0] in house.audience.members


def test_a_seat_waits_for_a_phone_that_sleeps_but_not_for_ever(house: House) -> None:
    class Page:
        seats = 0

        def seated(self) -> None:
            self.seats += 1

        def tell_line(self, message: Any) -> None:
            pass

    member, page = house.member(), Page()
    member.seat.request_seat(page)
    house.audience.members.leave(member, member.phone, house.now)  # type: ignore[arg-type]
    member.seat.leave(page)
    house.now += GRACE_SECONDS - 1
    house.audience.advance(house.now)
    assert len(house.seats) == 1
    again = Page()
    member.seat.request_seat(again)
    assert (page.seats, again.seats) == (1, 1)
    house.now += 2
    house.audience.advance(house.now)
    assert len(house.seats) == 0


def test_colours_are_apart_and_can_be_read_on() -> None:
    colours = [colour_of(number) for number in range(1, 100)]
    assert len(set(colours)) == len(colours)
    for colour in colours:
        parts = tuple(int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
        assert abs(members._luminance(parts) - LUMINANCE) < 0.02  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "fields",
    [[], {"open": 1}, {"code": "huge"}, {"code": ["none"]}, {"address": "x" * 201}, {"x": 1}],
)
def test_malformed_switches_are_told(fields: Any) -> None:
    with pytest.raises(InvalidRequest):
        Hall.parse(fields)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        [{}],
        [{"number": 1, "verb": "eval", "entry": 1}],
        [{"number": 1, "verb": ["ban"], "entry": 1}],
        [{"number": True, "verb": "ban", "entry": 1}],
        [{"number": 1, "verb": "ban", "entry": -1}],
        [{"number": 1, "verb": "ban", "entry": 1, "more": 1}],
        [{"number": 1, "verb": "ban", "entry": 1}] * (MAX_ACTS + 1),
    ],
)
def test_malformed_acts_are_told(fields: Any) -> None:
    with pytest.raises(InvalidRequest):
        parse_acts(fields)


def test_phones_messages_are_read() -> None:
    assert parse('{"prompt": "x", "sequence": 3, "seed": 9}').text == "x"
    assert parse('{"vote": 3, "on": false}').on is False
    assert parse(b'{"vote": \xff}').kind == "problem"
    assert parse("[" * 9000).kind == "problem"


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({"host": "127.0.0.1"}, ()),
        ({"host": "192.168.1.5"}, ("http://192.168.1.5:7860",)),
        ({"host": "0.0.0.0"}, ("http://10.1.2.3:7860", "http://10.9.9.9:7860")),  # noqa: S104
        ({"host": "0.0.0.0", "tls_cert": "c", "tls_key": "k"}, ("https://10.1.2.3:7860",)),  # noqa: S104
        ({"host": "0.0.0.0", "allowed_hosts": "demo.local"}, ("http://demo.local:7860",)),  # noqa: S104
        ({"host": "fd00::1"}, ("http://[fd00::1]:7860",)),
        ({"audience_url": "https://demo.example/"}, ("https://demo.example",)),
    ],
)
def test_phones_are_sent_where_they_can_get(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], found: tuple[str, ...]
) -> None:
    monkeypatch.setattr(reachable, "addresses", lambda: ("10.1.2.3", "10.9.9.9"))
    asked = Settings(stage=True, audience=True, **settings)
    assert addresses(asked, 7860)[: len(found)] == found
    assert bool(addresses(asked, 7860)) == bool(found)


@pytest.mark.parametrize(
    "settings",
    [
        {"audience": True},
        {"stage": True, "audience_url": "https://x.example"},
        {"audience_words": "x.txt"},
        {"stage": True, "audience": True, "audience_url": "demo.example"},
        {"stage": True, "audience": True, "audience_url": "https://x.example/?a"},
        {"stage": True, "audience": True, "audience_seats": 0},
    ],
)
def test_wrong_options_are_told(settings: dict[str, Any]) -> None:
    with pytest.raises(InvalidSetting, match="audience"):
        Settings(**settings)
