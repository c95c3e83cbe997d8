"""Codes, and that no wall stays for ever."""

from __future__ import annotations

import pytest

from lightning_demo.errors import EngineUnavailable
from lightning_demo.web.stage.wall import Screen, Wall
from lightning_demo.web.stage.walls import (
    ALPHABET,
    CODE_LENGTH,
    KEEP_FOLLOWED_SECONDS,
    KEEP_SECONDS,
    MAX_FOLLOWERS,
    MAX_WALLS,
    NoSuchStage,
    Walls,
    normal_code,
)

from .test_wall import Eye


def presented(walls: Walls, now: float = 0.0, code: str | None = None) -> tuple[Wall, Eye]:
    wall, presenter = walls.create(code, now), Eye()
    walls.present(wall, presenter)
    return wall, presenter


def test_codes_are_short_clear_and_different() -> None:
    walls = Walls()
    codes = {presented(walls)[0].code for _ in range(MAX_WALLS)}
    assert len(codes) == MAX_WALLS
    assert all(len(code) == CODE_LENGTH and set(code) <= set(ALPHABET) for code in codes)
    assert not set("01OIL") & set(ALPHABET)


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("K7QX", "K7QX"),
        (" k7 qx\n", "K7QX"),
        ("K7Q", None),
        ("K7QXX", None),
        ("K7QO", None),
        ("", None),
        ("ΚΚΚΚ", None),
        ("ſſſſ", "SSSS"),  # an old s, of which the capital is S
        ("../..", None),
    ],
)
def test_codes_are_read_as_people_type_them(typed: str, code: str | None) -> None:
    assert normal_code(typed) == code


def test_a_wished_code_is_had_only_while_it_is_free() -> None:
    walls = Walls()
    wall, _ = presented(walls, code="K7QX")
    assert wall.code == "K7QX" and walls.find("k7qx") is wall
    assert presented(walls, code="K7QX")[0].code != "K7QX"
    assert presented(walls, code="nonsense")[0].code in {*walls._walls}
    with pytest.raises(NoSuchStage, match="no stage with this code"):
        walls.find("ZZZZ")


def test_a_wall_outlives_its_presenter_for_a_while() -> None:
    walls = Walls()
    wall, presenter = presented(walls)
    walls.stop_presenting(wall, presenter, 10)
    walls.sweep(9 + KEEP_SECONDS)
    assert walls.find(wall.code) is wall
    walls.present(wall, presenter)
    walls.sweep(1e9)
    assert walls.find(wall.code) is wall, "presented, it stays"
    walls.stop_presenting(wall, presenter, 1e9)
    walls.sweep(1e9 + KEEP_SECONDS)
    assert len(walls) == 0 and wall.closed


def test_a_wall_on_a_screen_stays_longer_but_not_for_ever() -> None:
    walls = Walls()
    wall, presenter = presented(walls)
    walls.follow(wall, eye := Eye(), Screen())
    walls.stop_presenting(wall, presenter, 0)
    walls.sweep(KEEP_FOLLOWED_SECONDS - 1)
    assert len(walls) == 1
    walls.unfollow(wall, eye, 100)
    walls.sweep(99 + KEEP_SECONDS)
    assert len(walls) == 1
    walls.sweep(100 + KEEP_SECONDS)
    assert len(walls) == 0


def test_another_presenter_takes_over_and_the_first_is_told() -> None:
    walls = Walls()
    wall, first = presented(walls)
    walls.present(wall, second := Eye())
    assert first.woken == 1 and wall.presenter is second
    walls.stop_presenting(wall, first, 5)
    assert wall.presenter is second, "the first's late goodbye changes nothing"


def test_there_are_only_so_many_and_a_left_one_makes_room() -> None:
    walls = Walls()
    made = [presented(walls) for _ in range(MAX_WALLS)]
    with pytest.raises(EngineUnavailable, match="present here already"):
        walls.create(None, 1)
    wall, presenter = made[7]
    walls.stop_presenting(wall, presenter, 1)
    walls.create(None, 2)
    assert wall.closed and len(walls) == MAX_WALLS


def test_only_so_many_follow() -> None:
    walls = Walls()
    wall, _ = presented(walls)
    for _ in range(MAX_FOLLOWERS):
        walls.follow(wall, Eye(), Screen())
    with pytest.raises(EngineUnavailable, match="screens follow this stage already"):
        walls.follow(wall, Eye(), Screen())
    assert len(wall.followers) == MAX_FOLLOWERS
