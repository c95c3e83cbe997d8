"""Who presents, and how what they want survives bad lines and bad people."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from starlette.requests import HTTPConnection

from lightning_demo import reachable
from lightning_demo.errors import InvalidRequest
from lightning_demo.settings import Settings
from lightning_demo.web.stage.desk import Wish
from lightning_demo.web.stage.rights import ATTEMPTS, Rights
from lightning_demo.web.stage.stage import Stage
from lightning_demo.web.stage.wall import Look

from ..conftest import wait_for
from ..fakes import FakeEngine
from .conftest import Hall

Make = Callable[..., Hall]
SECRET = "correct horse ✔"  # noqa: S105


def test_the_computer_that_serves_may_present_without_a_password(place: Hall) -> None:
    with place.presenter() as presenter:
        assert presenter.wish()["problem"] == ""


@pytest.mark.parametrize(
    ("settings", "headers"),
    [
        ({}, {"X-Forwarded-For": "10.0.0.9"}),  # a proxy on this machine
        ({}, {"CF-Connecting-IP": "10.0.0.9"}),
    ],
)
def test_others_may_not(hall: Make, settings: dict[str, Any], headers: dict[str, str]) -> None:
    place = hall(**settings)
    with place.presenter(additional_headers=headers) as presenter:
        answer = presenter.wish()
        assert "--presenter-password" in answer["problem"] and answer["needs"] == "machine"
    assert len(place.running.server._service.stage.walls) == 0


def test_where_people_log_in_this_machine_cannot_be_told() -> None:
    scope = {"type": "websocket", "client": ("127.0.0.1", 1), "headers": [(b"host", b"localhost")]}
    connection = HTTPConnection(scope)
    Rights(Settings(stage=True)).check(connection, None, 0)
    elsewhere = HTTPConnection({**scope, "headers": [(b"host", b"demo.example")]})
    with pytest.raises(Exception, match="--presenter-password"):
        Rights(Settings(stage=True)).check(elsewhere, None, 0)
    with pytest.raises(Exception, match="--presenter-password"):
        Rights(Settings(stage=True, auth="ann:pw")).check(connection, None, 0)


def test_with_a_password_everybody_needs_it_once(hall: Make) -> None:
    place = hall(presenter_password=SECRET)
    with place.presenter() as presenter:
        assert presenter.wish()["needs"] == "password"
        assert "not the presenter's password" in presenter.wish(password="guess")["problem"]  # noqa: S106
        held = presenter.wish(password=SECRET)
        assert not held["problem"]
        assert presenter.wish(blank=True)["blank"]
        assert SECRET not in json.dumps(held)
    with place.presenter() as again:
        again.held = presenter.held
        assert again.wish(blank=True)["code"] == held["code"], "the token is enough"
    other = hall(presenter_password=SECRET)
    with other.presenter() as restarted:
        restarted.held = presenter.held
        assert restarted.wish()["code"] == held["code"], "after a restart, too"
    with hall(presenter_password="another").presenter() as stranger:  # noqa: S106
        stranger.held = presenter.held
        assert stranger.wish()["needs"] == "password"


def test_passwords_cannot_be_tried_without_end(hall: Make) -> None:
    with hall(presenter_password=SECRET).presenter() as presenter:
        problems = [presenter.wish(password=f"{n}")["problem"] for n in range(ATTEMPTS + 1)]
        assert "Too many passwords were tried; wait" in problems[-1]
        assert "Too many" in presenter.wish(password=SECRET)["problem"], "even the right one"


@pytest.mark.parametrize("token", ["", "0" * 64, "é", "x" * 200])
def test_forged_wishes_change_nothing(hall: Make, token: str) -> None:
    place = hall(presenter_password=SECRET)
    with place.presenter() as presenter:
        code = presenter.wish(password=SECRET)["code"]
        with place.screen(code) as screen, place.presenter() as forger:
            screen.until(lambda s: s.scene)
            answer = forger.wish(code=code, token=token, blank=True, frozen=True)
            assert answer["needs"] == "password" and "token" not in answer
            forger.paint("forged")
            presenter.paint("a boat")
            screen.prompt("a boat")
            assert not screen.scene["blank"]


def test_the_token_of_one_wall_does_not_open_another(hall: Make) -> None:
    place = hall(presenter_password=SECRET)
    with place.presenter() as one, place.presenter() as two:
        first, second = one.wish(password=SECRET), two.wish(password=SECRET)
        with place.presenter() as mixed:
            mixed.held = {"code": first["code"], "token": second["token"]}
            assert mixed.wish()["needs"] == "password"


def test_two_presenters_have_two_walls_that_never_mix(place: Hall) -> None:
    with place.presenter() as one, place.presenter() as two:
        codes = one.wish()["code"], two.wish()["code"]
        with place.screen(codes[0]) as first, place.screen(codes[1]) as second:
            one.paint("a boat")
            two.paint("a tree")
            first.prompt("a boat")
            second.prompt("a tree")
            one.wish(blank=True)
            first.until(lambda s: s.scene["blank"])
            two.paint("a house")
            second.prompt("a house")
            assert not second.scene["blank"]


def test_a_laptop_that_wakes_has_its_wall_as_it_was(place: Hall) -> None:
    with place.presenter() as presenter:
        presenter.paint("before anything")
        code = presenter.wish()["code"]
        presenter.paint("a boat")
        presenter.wish(frozen=True)
        presenter.paint("unseen")
    walls = place.running.server._service.stage.walls
    wait_for(lambda: walls.find(code).presenter is None)
    with place.screen(code) as screen:
        screen.prompt("a boat")
        with place.presenter() as again:
            again.held = presenter.held
            answer = again.wish(frozen=True)
            assert (answer["code"], answer["frozen"]) == (code, True)
            again.paint("awake")
            again.wish(frozen=False)
            screen.prompt("awake")


def test_a_second_tab_takes_over_and_the_first_is_told(place: Hall) -> None:
    with place.presenter() as first, place.presenter() as second:
        code = first.wish()["code"]
        second.held = first.held
        assert second.wish()["code"] == code
        told = first.until(lambda m: m["type"] == "wall")[-1]
        assert told["needs"] == "taken"
        with place.screen(code) as screen:
            first.paint("from the first")
            second.paint("from the second")
            screen.prompt("from the second")
        assert place.running.server._service.stage.walls.find(code).presenter is not None
        first.wish()
        assert second.until(lambda m: m["type"] == "wall" and m["problem"])


def test_an_emptied_box_is_shown_as_such_whatever_came_before(place: Hall) -> None:
    with place.presenter() as presenter:
        code = presenter.wish()["code"]
        with place.screen(code) as screen:
            presenter.paint("a boat")
            presenter.wish(empty=True)
            screen.prompt("")
            presenter.sequence = 0
            presenter.wish(empty=False)
            presenter.sequence = 1
            presenter.paint("a tree")
            screen.prompt("a tree")


@pytest.mark.parametrize(
    "fields",
    [
        {"frozen": 1},
        {"blank": "yes"},
        {"code": 7},
        {"token": "x" * 201},
        {"password": ["x"]},
        {"look": []},
        {"look": {"caption": "everywhere"}},
        {"look": {"caption": ["over"]}},
        {"look": {"crossfade": None}},
        {"look": {"script": "<script>"}},
        {"eval": "1"},
    ],
)
def test_malformed_wishes_are_told_what_is_wrong(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        Wish.parse(fields)


def test_a_wish_is_read() -> None:
    wish = Wish.parse({"blank": True, "look": {"caption": "over"}})
    assert wish == Wish(blank=True, look=Look(caption="over"))


def test_the_desk_is_told_where_other_computers_find_it(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reachable, "addresses", lambda: ("10.42.0.1", "192.168.1.7"))

    def told(host: str, scheme: str) -> list[str]:
        async def present() -> list[str]:
            stage, said = Stage(Settings(stage=True, host=host), FakeEngine()), []
            scope = {
                "type": "websocket",
                "scheme": scheme,
                "path": "/live",
                "query_string": b"",
                "client": ("127.0.0.1", 1),
                "headers": [(b"host", b"localhost:7861")],
            }
            stage.desk(HTTPConnection(scope), said.append).present(1, {})
            stage.close()
            return next(each["addresses"] for each in said if each["type"] == "wall")

        return run(present())

    assert told("127.0.0.1", "ws") == []
    assert told("0.0.0.0", "ws") == ["http://10.42.0.1:7861", "http://192.168.1.7:7861"]  # noqa: S104
    assert told("::", "wss")[0] == "https://10.42.0.1:7861"
