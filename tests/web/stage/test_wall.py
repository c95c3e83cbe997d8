"""What a hall sees, and above all what it does not."""

from __future__ import annotations

from typing import Any

import pytest

from lightning_demo.web.stage.wall import (
    EMPTY,
    MAX_CHARACTERS,
    Board,
    Look,
    Picture,
    Scene,
    Screen,
    Wall,
)


class Eye:
    """A follower that counts how often it was woken."""

    def __init__(self) -> None:
        self.woken = 0

    def wake(self) -> None:
        self.woken += 1


def picture(name: str = "one", *, final: bool = True) -> Picture:
    return Picture({"final": final, "name": name}, name.encode())


def put(wall: Wall, **changes: Any) -> None:
    now = {"frozen": wall.frozen, "blank": wall.blank, "look": wall.look}
    wall.set(**{**now, **changes})


@pytest.fixture
def wall() -> Wall:
    made = Wall("K7QX")
    made.type("a cat")
    made.offer(picture("cat"))
    return made


def seen(wall: Wall) -> tuple[str | None, bytes | None]:
    scene = wall.visible
    return scene.prompt, scene.picture and scene.picture.data


def test_it_shows_what_is_typed_and_painted(wall: Wall) -> None:
    assert seen(wall) == ("a cat", b"cat")
    wall.type("a cat i")
    assert seen(wall) == ("a cat i", b"cat")
    wall.type("")
    assert seen(wall) == ("", b"cat"), "an emptied box keeps the last picture"


def test_nothing_was_typed_is_not_the_same_as_an_empty_prompt() -> None:
    assert seen(Wall("K7QX")) == (None, None)
    assert Wall("K7QX").state()["prompt"] is None


def test_frozen_it_keeps_and_thawed_it_shows_the_newest(wall: Wall) -> None:
    put(wall, frozen=True)
    wall.type("a dog")
    wall.offer(picture("dog"))
    assert seen(wall) == ("a cat", b"cat")
    put(wall, frozen=False)
    assert seen(wall) == ("a dog", b"dog")


def test_blank_wins_and_comes_back_to_what_was_there(wall: Wall) -> None:
    put(wall, blank=True)
    assert wall.visible is EMPTY and wall.state()["prompt"] is None
    put(wall, blank=False)
    assert seen(wall) == ("a cat", b"cat")


def test_what_was_painted_while_blank_is_shown_on_return(wall: Wall) -> None:
    put(wall, blank=True)
    wall.type("a dog")
    wall.offer(picture("dog"))
    assert wall.visible is EMPTY
    put(wall, blank=False)
    assert seen(wall) == ("a dog", b"dog")


@pytest.mark.parametrize("first", ["frozen", "blank"])
def test_frozen_and_blank_never_show_what_nobody_has_seen(wall: Wall, first: str) -> None:
    put(wall, **{first: True})
    wall.offer(picture("secret"))
    put(wall, frozen=True, blank=True)
    wall.offer(picture("another"))
    assert wall.visible is EMPTY
    put(wall, blank=False)
    assert seen(wall) == ("a cat", b"cat")
    put(wall, frozen=False)
    assert seen(wall) == ("a cat", b"another")


def test_followers_are_woken_only_by_what_they_can_see(wall: Wall) -> None:
    eye = Eye()
    wall.join(eye, Screen())

    def wakes(action: Any) -> bool:
        before = eye.woken
        action()
        return eye.woken > before

    assert wakes(lambda: wall.type("a bird"))
    assert not wakes(lambda: wall.type("a bird")), "the same again"
    assert wakes(lambda: wall.offer(picture()))
    assert wakes(lambda: put(wall, blank=True))
    assert not wakes(lambda: wall.offer(picture()))
    assert wakes(lambda: put(wall, frozen=True, blank=False))
    assert not wakes(lambda: wall.type("hidden"))
    assert not wakes(lambda: put(wall, frozen=True))
    assert wakes(lambda: put(wall, look=Look(figures=True)))
    wall.leave(eye)
    assert not wakes(lambda: put(wall, frozen=False))


def test_previews_may_be_left_out(wall: Wall) -> None:
    put(wall, look=Look(previews=False))
    wall.offer(picture("half", final=False))
    assert seen(wall)[1] == b"cat"
    wall.offer(picture("whole"))
    assert seen(wall)[1] == b"whole"


def test_of_a_very_long_prompt_the_end_is_kept(wall: Wall) -> None:
    wall.type("x" * 100_000 + "end")
    shown = wall.visible.prompt
    assert shown is not None and len(shown) == MAX_CHARACTERS + 1
    assert shown.startswith("…") and shown.endswith("end")


def test_the_presenter_is_told_who_looks(wall: Wall) -> None:
    wall.presenter = presenter = Eye()
    eye = Eye()
    wall.join(eye, Screen(1920, 1080))
    assert presenter.woken == 1
    wall.leave(eye)
    wall.leave(eye)
    assert presenter.woken == 2


def test_a_picture_is_put_together_once(wall: Wall) -> None:
    one = picture()
    assert one.message is one.message
    assert one.message.endswith(b"one")


def test_a_battle_stands_before_all_else_and_freeze_and_blank_before_it(wall: Wall) -> None:
    wall.type("the talk")
    wall.fight(Board({"round": 1}, {"a": picture("first")}))
    wall.type("typed meanwhile")
    wall.release(Scene("released", picture(), 7))
    assert wall.state()["battle"] == {"round": 1} and wall.in_battle
    put(wall, frozen=True)
    wall.fight(Board({"round": 2}, {}))
    assert wall.state()["battle"] == {"round": 1}
    assert list(wall.visible.pictures) == ["a"]
    put(wall, frozen=True, blank=True)
    assert wall.state()["battle"] is None and not wall.visible.pictures
    put(wall, frozen=True, blank=False)
    wall.fight(Board({"round": 3}, {}), withdrawn=True)
    assert wall.state()["battle"] is None, "a ban reaches a frozen wall"
    put(wall, frozen=False)
    assert wall.state()["battle"] == {"round": 3}
    wall.fight(None)
    assert wall.state()["prompt"] == "released"
