"""The rules of a battle, on a clock of the test's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lightning_demo.errors import InvalidRequest
from lightning_demo.web.stage.battle.ballot import Ballot, MayNotVote
from lightning_demo.web.stage.battle.battle import (
    COUNTDOWN_SECONDS,
    SETTLE_SECONDS,
    VOTE_SECONDS,
    Battle,
)
from lightning_demo.web.stage.battle.likeness import CHANCE, likeness, similarity
from lightning_demo.web.stage.battle.plan import MAX_ROUNDS, Plan, parse_orders
from lightning_demo.web.stage.battle.round import NotNow
from lightning_demo.web.stage.wall import Picture

THEME = Plan(lines=("the sea",), seconds=60, rounds=2)
SECRET = Plan("picture", ("a red house", "a blue boat"), 60, 2, verdict="likeness")


def picture(final: bool = True) -> Picture:
    return Picture({"final": final}, b"")


class Round:
    """A battle and its time; three phones are in the hall, two of them play."""

    def __init__(self, plan: Plan = THEME) -> None:
        self.now = 1000.0
        self.plan = plan
        self.battle = Battle(lambda: Ballot((1, 2, 3, 4, 5), (1, 2)))

    def start(self) -> Battle:
        self.battle.start(self.plan, 7, self.now)
        return self.battle

    def after(self, seconds: float) -> str:
        """The phase then."""
        self.now += seconds
        while self.battle.advance(self.now):
            pass
        return self.battle.phase

    def typing(self) -> Battle:
        self.start()
        self.battle.target_painted(self.now)
        self.after(COUNTDOWN_SECONDS)
        return self.battle

    def draw(self, side: Any, prompt: str) -> None:
        self.battle.type(side, prompt)
        self.battle.paint(side, prompt, picture())

    def vote(self, **votes: Any) -> None:
        assert self.battle.ballot is not None
        for number, side in votes.items():
            self.battle.ballot.vote(int(number[1:]), side)

    def decide(self, **votes: Any) -> None:
        """A whole round."""
        self.typing()
        assert self.after(self.plan.seconds) == "voting"
        self.vote(**votes)
        assert self.after(VOTE_SECONDS) == "verdict"


def test_a_round_goes_from_countdown_to_verdict() -> None:
    game = Round()
    battle = game.start()
    assert (battle.phase, battle.left(game.now)) == ("countdown", 3)
    with pytest.raises(InvalidRequest, match="Wait for the start"):
        battle.type("a", "too early")
    assert game.after(COUNTDOWN_SECONDS - 0.1) == "countdown" and battle.left(game.now) == 1
    assert game.after(0.1) == "typing" and battle.left(game.now) == 60
    game.draw("a", "a wave")
    game.draw("b", "a ship")
    assert game.after(59.5) == "typing" and battle.left(game.now) == 1
    assert game.after(0.5) == "voting"
    with pytest.raises(InvalidRequest, match="Time is up"):
        battle.type("a", "too late")
    before = battle.stands["a"].picture
    battle.paint("a", "a wave", picture())
    assert battle.stands["a"].picture is before, "too late"
    game.vote(n3="a", n4="a", n5="b")
    assert game.after(VOTE_SECONDS) == "verdict"
    assert battle.results[0].figures == {"a": 2, "b": 1}
    assert battle.wins == {"a": 1, "b": 0} and battle.round == 1
    assert battle.stands["a"].prompt == "a wave", "it stays on the wall until the next round"


def test_the_clock_moves_by_whole_seconds() -> None:
    game = Round()
    battle = game.start()
    assert battle.next_change(game.now) == pytest.approx(1.0)
    assert battle.next_change(game.now + 0.25) == pytest.approx(0.75)
    assert battle.next_change(game.now + 99) == 0.0
    battle.cancel()
    assert battle.next_change(game.now) is None


def test_the_last_words_are_waited_for_and_not_for_ever() -> None:
    game = Round()
    battle = game.typing()
    game.draw("a", "a wave")
    battle.type("b", "a ship")
    battle.paint("b", "a ship", picture(final=False))
    assert game.after(60) == "settling"
    assert not battle.stands["b"].finished
    battle.paint("b", "a shi", picture())
    assert game.after(0) == "settling", "that is of other words"
    battle.paint("b", "a ship", picture())
    assert game.after(0) == "voting"
    battle.cancel()
    game.typing().type("a", "not to be seen")
    battle.miss("a", "not to")
    assert game.after(60) == "settling"
    battle.miss("a", "not to be seen")
    assert game.after(0) == "voting"
    battle.cancel()
    game.typing().type("a", "never painted")
    assert game.after(60) == "settling"
    assert game.after(SETTLE_SECONDS) == "voting"


def test_emptied_words_have_no_picture() -> None:
    battle = Round().typing()
    battle.type("a", "a wave")
    battle.paint("a", "a wave", picture())
    battle.type("a", "")
    assert battle.stands["a"].picture is None
    battle.paint("a", "a wave", picture())
    assert battle.stands["a"].picture is None, "one that was on its way comes too late"


def test_who_may_vote_and_how_often() -> None:
    ballot = Ballot((1, 2, 3), (1, 2))
    for _ in range(3):
        ballot.vote(3, "a")
    assert ballot.count() == {"a": 1, "b": 0}
    ballot.vote(3, "b")
    assert ballot.count() == {"a": 0, "b": 1}, "a mind may be changed; it counts once"
    for player_or_late in (1, 2, 9):
        with pytest.raises(MayNotVote):
            ballot.vote(player_or_late, "a")
    ballot.forget(3)
    assert len(ballot) == 0
    with pytest.raises(MayNotVote):
        ballot.vote(3, "a")


def test_ties_are_points_for_nobody_and_a_tie_at_the_end_has_one_more_round() -> None:
    game = Round()
    game.decide(n3="a", n4="b")
    assert game.battle.results[0].winner is None and game.battle.wins == {"a": 0, "b": 0}
    game.decide()
    assert game.battle.results[1].winner is None, "nobody has voted"
    game.decide(n3="b")
    assert game.battle.leader == "b" and len(game.battle.results) == 3
    with pytest.raises(NotNow, match="last round"):
        game.start()
    game.battle.finish()
    assert game.battle.phase == "over"
    with pytest.raises(NotNow):
        game.start()
    game.battle.reset()
    assert (game.battle.round, game.battle.wins) == (1, {"a": 0, "b": 0})
    game.decide(n3="a")


def test_a_cancelled_round_does_not_count() -> None:
    game = Round()
    game.decide(n3="a")
    game.typing()
    game.draw("a", "a wave")
    game.battle.cancel()
    assert (game.battle.phase, game.battle.round) == ("gather", 2)
    assert game.battle.stands["a"].prompt == "" and game.battle.wins["a"] == 1
    game.decide(n3="b")
    assert game.battle.round == 2


def test_likeness_decides_without_the_hall_and_what_looks_equal_is_a_tie() -> None:
    game = Round(SECRET)
    assert game.start().phase == "painting", "the target comes first, however long it takes"
    assert game.after(500) == "painting"
    game.battle.target_painted(game.now)
    game.after(COUNTDOWN_SECONDS)
    assert game.after(60) == "measuring"
    game.battle.measured({"a": 40, "b": 40})
    assert game.battle.results[0].winner is None
    game.typing()
    game.after(60)
    game.battle.measured({"a": 40, "b": 41})
    assert game.battle.results[1].winner == "b"
    game.battle.measured({"a": 99, "b": 0})
    assert len(game.battle.results) == 2


def test_the_presenter_counts_hands() -> None:
    game = Round(Plan(lines=("x",), seconds=10, verdict="hands"))
    with pytest.raises(NotNow):
        game.battle.award("a")
    game.typing()
    assert game.after(10) == "judging"
    game.battle.award("b")
    assert game.battle.wins == {"a": 0, "b": 1} and not game.battle.results[0].figures


def test_typing_and_voting_can_be_cut_and_nothing_else() -> None:
    game = Round()
    with pytest.raises(NotNow):
        game.battle.cut(game.now)
    game.typing().cut(game.now)
    assert game.after(0) == "voting"
    game.battle.cut(game.now)
    assert game.after(0) == "verdict"
    with pytest.raises(NotNow):
        game.battle.cut(game.now)


def test_on_one_keyboard_they_take_turns_and_change_who_begins() -> None:
    game = Round(Plan(lines=("x",), seconds=30, turns=True, verdict="hands"))
    for first, second in (("a", "b"), ("b", "a")):
        battle = game.typing()
        assert battle.turn == first and battle.types(first) and not battle.types(second)
        game.draw(first, "first")
        with pytest.raises(InvalidRequest, match="Wait for the start"):
            battle.type(second, "not yet")
        assert game.after(30) == "countdown" and battle.turn == second
        late = picture()
        battle.paint(first, "first", late)
        assert battle.stands[first].picture is late, "what was on its way still counts"
        assert game.after(COUNTDOWN_SECONDS) == "typing"
        with pytest.raises(InvalidRequest, match="Time is up"):
            battle.type(first, "too late")
        game.draw(second, "second")
        assert game.after(30) == "judging"
        battle.award(first)


def test_a_second_start_or_one_without_a_line_is_refused() -> None:
    game = Round()
    game.start()
    with pytest.raises(NotNow, match="A round is on"):
        game.start()
    for plan, what in ((Plan(), "needs a theme"), (Plan("picture"), "secret prompt")):
        with pytest.raises(InvalidRequest, match=what):
            Round(plan).start()
    game = Round(SECRET)
    game.plan = Plan("picture", ("only one",), 60, 2, verdict="likeness")
    game.typing()
    game.after(60)
    game.battle.measured({"a": 1, "b": 0})
    with pytest.raises(InvalidRequest, match="lines: round 2"):
        game.start()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"seconds": 9}, "seconds: must be a whole number from 10 to 600"),
        ({"seconds": 601}, "from 10 to 600"),
        ({"seconds": 60.5}, "seconds: must be a whole number"),
        ({"seconds": True}, "seconds: must be a whole number"),
        ({"seconds": "60"}, "seconds: must be a whole number"),
        ({"rounds": 0}, "rounds: must be a whole number from 1 to 9"),
        ({"target": "https://x.example/a.png"}, "target: must be one of theme, picture"),
        ({"players": "all"}, "players: must be one of"),
        ({"verdict": "likeness"}, "likeness is to a target picture"),
        ({"verdict": 1}, "verdict: must be one of"),
        ({"turns": 1}, "turns: must be true or false"),
        ({"lines": "a"}, "lines: at most"),
        ({"lines": ["x"] * (MAX_ROUNDS + 2)}, "lines: at most"),
        ({"lines": ["x" * 301]}, "lines: must be a text of at most 300"),
        ({"lines": [1]}, "lines: must be a text"),
        ({"name_a": "x" * 25}, "name_a: must be a text of at most 24"),
        ({"picture": "data:"}, "plan: its fields are"),
        ([], "plan: its fields are"),
    ],
)
def test_a_plan_that_cannot_be_names_field_and_range(fields: Any, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        Plan.parse(fields)


def test_a_plan_is_read() -> None:
    plan = Plan.parse({"lines": ["  the \u202esea ", ""], "seconds": 600, "name_b": "Bob"})
    assert plan.lines == ("the sea",) and plan.name_b == "Bob"
    assert [plan.line(number) for number in (1, 2, 9)] == ["the sea"] * 3


@pytest.mark.parametrize(
    "orders",
    [
        None,
        {},
        [1],
        [{}],
        [{"number": 1}],
        [{"number": 1, "verb": "win"}],
        [{"number": -1, "verb": "start"}],
        [{"number": True, "verb": "start"}],
        [{"number": 1, "verb": "seat", "side": "c"}],
        [{"number": 1, "verb": "seat", "side": "a", "phone": "1"}],
        [{"number": 1, "verb": "start", "score": 9}],
        [{"number": 1, "verb": "start"}] * 65,
    ],
)
def test_malformed_orders_are_refused(orders: Any) -> None:
    with pytest.raises(InvalidRequest):
        parse_orders(orders)


def scene(sky: tuple[int, int, int], thing: tuple[int, int, int], left: int = 20) -> Any:
    pixels = np.full((96, 128, 3), sky, np.uint8)
    pixels[60:] = (60, 140, 60)
    pixels[30:70, left : left + 30] = thing
    return pixels


def test_likeness_orders_pictures_as_eyes_do() -> None:
    blue, red, night = (120, 180, 240), (200, 40, 40), (20, 20, 60)
    target = scene(blue, red)
    assert likeness(target, target) == 100
    assert likeness(target, target[::2, ::2]) > 95, "the size does not matter"
    found = [
        likeness(target, scene(blue, red, left=26)),
        likeness(target, scene(blue, (230, 200, 40), left=60)),
        likeness(target, scene(night, (230, 200, 40), left=80)),
        likeness(target, np.zeros((64, 64, 3), np.uint8)),
    ]
    assert found == sorted(found, reverse=True) and found[0] > found[1] > found[2]
    assert found[-1] == 0 and all(0 <= each <= 100 for each in found)
    plain = np.full((64, 64, 3), 90, np.uint8)
    assert similarity(plain, plain) == pytest.approx(1.0) and CHANCE < 1
