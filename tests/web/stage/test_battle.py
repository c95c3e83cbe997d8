"""A battle on real sockets: a presenter, players on phones and keyboards, a hall that votes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from lightning_demo.errors import GenerationFailed
from lightning_demo.web.stage import stage
from lightning_demo.web.stage.audience.words import BLOCKED
from lightning_demo.web.stage.battle import battle as rules

from ..fakes import FakeEngine, color_of
from .conftest import Hall, Keyboard, Phone, Presenter, ScreenSocket
from .test_audience import near

Make = Callable[..., Hall]
THEME = {"lines": ["the sea"], "seconds": 600, "players": "named"}
SECRET = {
    "target": "picture",
    "lines": ["a red house", "a blue boat"],
    "seconds": 600,
    "rounds": 2,
    "players": "keyboards",
    "verdict": "likeness",
}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test waits for a countdown; typing and votes end by an order."""
    monkeypatch.setattr(rules, "COUNTDOWN_SECONDS", 0.02)
    monkeypatch.setattr(rules, "VOTE_SECONDS", 3600.0)


class Game:
    """A hall with a presenter, a wall, two phones that play and one that votes."""

    def __init__(self, place: Hall, stack: ExitStack, phones: int = 3) -> None:
        self.place, self.stack = place, stack
        self.presenter: Presenter = stack.enter_context(place.presenter())
        self.code = self.presenter.wish()["code"]
        self.screen: ScreenSocket = stack.enter_context(place.screen(self.code))
        self.phones = [self.phone() for _ in range(phones)]
        self.presenter.plan = dict(THEME)

    def phone(self, token: str = "") -> Phone:
        return self.stack.enter_context(self.place.phone(self.code, token))

    def gather(self) -> None:
        self.presenter.order("gather")
        for side, phone in zip("ab", self.phones, strict=False):
            told = self.presenter.order("seat", side=side, phone=phone.welcome["number"])
            assert told["problem"] == ""
            phone.sees(lambda v, side=side: v["battle"] and v["battle"]["side"] == side)

    def start(self) -> None:
        assert self.presenter.order("start")["problem"] == ""
        self.screen.phase("typing")
        for phone in self.phones[:2]:
            phone.sees(lambda v: v["battle"] and v["battle"].get("types"))

    def vote(self) -> None:
        self.presenter.order("cut")
        self.screen.phase("voting")


def plays(phone: Phone, prompt: str, seed: int = 99) -> dict[str, Any]:
    """Types and waits for the picture, or for the problem."""
    sequence = phone.type(prompt, seed)
    return phone.until(
        lambda m: (
            (m.get("final") or (m["type"] == "prompt" and m["problem"]))
            and m["sequence"] == sequence
        )
    )


@pytest.fixture
def game(crowd: Hall) -> Iterator[Game]:
    with ExitStack() as stack:
        yield Game(crowd, stack)


def test_a_battle_on_phones_voted_on_by_the_hall(game: Game) -> None:
    presenter, screen, (ann, bob, cas) = game.presenter, game.screen, game.phones
    presenter.paint("the talk")
    screen.prompt("the talk")
    game.gather()
    assert screen.phase("gather")["line"] is None, "the theme is a secret until the start"
    game.start()
    board = screen.phase("typing")
    assert board["line"] == "the sea" and 0 < board["left"] <= 600

    # Both are seen live, side by side, painted with one seed whatever a phone says.
    pictures = [plays(ann, "a wave", 1), plays(bob, "a ship", 2)]
    assert pictures[0]["seed"] == pictures[1]["seed"] not in (1, 2)
    screen.until(lambda s: [s.board["sides"][x]["prompt"] for x in "ab"] == ["a wave", "a ship"])
    screen.until(lambda s: {"a", "b"} <= s.places.keys())
    screen.until(lambda s: near(s.places["a"]["data"], color_of("a wave")))
    screen.until(lambda s: near(s.places["b"]["data"], color_of("a ship")))
    assert "prompt" not in screen.places["a"]

    # Nobody else paints meanwhile, the presenter's typing stays off the wall, nothing is released.
    cas.sees(lambda v: v["battle"] and v["battle"]["phase"] == "typing" and not v["open"])
    assert "battle" in cas.paint("a cat")["problem"]
    presenter.paint("typed meanwhile")
    assert screen.board

    # The hall votes: each once, players not.
    game.vote()
    cas.sees(lambda v: v["battle"] and v["battle"].get("may_vote"))
    assert cas.view["battle"]["prompts"] == {"a": "a wave", "b": "a ship"}
    for choice in ("a", "b", "b"):
        cas.say({"ballot": choice})
        cas.sees(lambda v, choice=choice: v["battle"]["choice"] == choice)
    ann.say({"ballot": "a"})
    assert "Players do not vote" in ann.until(lambda m: m["type"] == "ballot")["problem"]
    late = game.phone()
    late.say({"ballot": "a"})
    assert late.until(lambda m: m["type"] == "ballot")["problem"]
    assert presenter.battle(lambda m: m["votes"] and m["votes"]["b"])["votes"] == {"a": 0, "b": 1}
    screen.until(lambda s: s.board["votes"] == 1)
    assert screen.board["sides"]["b"]["figure"] is None, "how it stands is told at the end"
    presenter.order("cut")
    board = screen.phase("verdict")
    assert board["winner"] == "b" and board["sides"]["b"]["wins"] == 1
    assert board["sides"]["b"]["figure"] == 1
    cas.sees(lambda v: v["open"])

    # Finished, reset by the presenter, and away.
    assert presenter.order("finish")["leader"] == "b"
    assert screen.phase("over")["leader"] == "b"
    assert presenter.order("reset")["sides"]["b"]["wins"] == 0
    screen.phase("gather")
    presenter.order("stop")
    screen.until(lambda s: not s.board)
    assert screen.scene["prompt"] == "typed meanwhile"
    cas.sees(lambda v: v["battle"] is None)


def keyboards(place: Hall, stack: ExitStack, presenter: Presenter) -> list[Keyboard]:
    codes = presenter.order("gather")["codes"]
    found = [stack.enter_context(place.keyboard(codes[side])) for side in "ab"]
    presenter.battle(lambda m: all(m["sides"][side]["here"] for side in "ab"))
    return found


def test_a_battle_at_two_keyboards_by_likeness_without_an_audience(place: Hall) -> None:
    with ExitStack() as stack:
        presenter = stack.enter_context(place.presenter())
        code = presenter.wish()["code"]
        screen = stack.enter_context(place.screen(code))
        presenter.plan = {**SECRET, "name_a": "Ann", "seconds": 9}
        assert "from 10 to 600" in presenter.order("gather")["problem"]
        presenter.plan["seconds"] = 600
        first, second = keyboards(place, stack, presenter)
        assert first.welcome["side"] == "a" and second.welcome["side"] == "b"

        # The target is painted where only the desk sees it, then shown to all, its words not.
        presenter.order("paint")
        assert presenter.battle(lambda m: m["prepared"])["prepared"] == "a red house"
        asked = place.running.engine.requests[-1]
        assert screen.phase("gather")["pictures"] == []
        assert presenter.order("start")["problem"] == ""
        for player in (first, second):
            assert player.until(lambda m: m["type"] == "target")["picture"]
            player.until(lambda m: m["type"] == "battle" and m["types"])
        board = screen.phase("typing")
        assert board["line"] is None and board["sides"]["a"]["by"]["name"] == "Ann"
        screen.until(lambda s: near(s.places["target"]["data"], color_of("a red house")))
        assert "red house" not in json.dumps([first.view, second.view])

        # The exact words win with 100 %: the same seed.
        assert plays(first, "a red house")["seed"] == asked.seed
        plays(second, "something else")
        presenter.order("cut")
        board = screen.phase("verdict")
        assert board["winner"] == "a" and board["sides"]["a"]["figure"] == 100
        assert board["sides"]["b"]["figure"] < 100 and board["line"] == "a red house"

        # The next target is prepared unseen, while the verdict of the last one stands.
        target = screen.places["target"]["data"]
        presenter.order("paint")
        presenter.battle(lambda m: m["prepared"] == "a blue boat")
        presenter.wish(look={"figures": True})
        screen.until(lambda s: s.scene["look"]["figures"])
        assert screen.places["target"]["data"] == target
        presenter.order("start")
        screen.until(lambda s: near(s.places["target"]["data"], color_of("a blue boat")))
        screen.phase("typing")
        presenter.order("cut")
        assert screen.phase("verdict")["winner"] is None, "nobody has typed"
        presenter.order("stop")
        assert first.until(lambda m: m["type"] == "refused")["why"] == "over"


def test_without_an_audience_phones_are_not_asked_for(place: Hall) -> None:
    with place.presenter() as presenter:
        presenter.plan = {"lines": ["x"]}
        assert "--audience" in presenter.order("gather")["problem"]
        presenter.plan = {"lines": ["x"], "players": "keyboards"}
        assert presenter.order("gather")["problem"].startswith("verdict: no phones vote")


def test_it_does_not_start_without_players_and_says_who_is_missing(game: Game) -> None:
    presenter = game.presenter
    assert presenter.order("start")["problem"] == "There is no battle."
    presenter.order("gather")
    assert "side A has nobody" in presenter.order("start")["problem"]
    number = game.phones[0].welcome["number"]
    presenter.order("seat", side="a", phone=number)
    assert "side B has nobody" in presenter.order("start")["problem"]
    assert "plays already" in presenter.order("seat", side="b", phone=number)["problem"]
    assert "is not here" in presenter.order("seat", side="b", phone=4711)["problem"]
    presenter.order("seat", side="b", phone=game.phones[1].welcome["number"])
    game.phones[1].connection.close()
    presenter.battle(lambda m: not m["sides"]["b"]["here"])
    assert "Player B is not connected" in presenter.order("start")["problem"]
    assert "A red" not in presenter.order("vacate", side="b")["problem"]


def test_a_wrong_plan_hinders_no_blank(game: Game) -> None:
    presenter, screen = game.presenter, game.screen
    plan = {**THEME, "seconds": 5}
    presenter.wish(blank=True, battle={"plan": plan, "orders": []})
    told = presenter.battle(lambda m: m["problem"])
    assert told["problem"] == "seconds: must be a whole number from 10 to 600."
    screen.until(lambda s: s.scene.get("blank"))
    for broken in (7, [], {"plan": [], "orders": 1}, {"x": 1}):
        presenter.wish(battle=broken)
        assert presenter.battle(lambda m: m["problem"])["on"] is False


def test_what_is_blocked_never_reaches_the_wall_and_the_last_clean_words_stay(game: Game) -> None:
    screen, (ann, bob, _) = game.screen, game.phones
    game.gather()
    game.start()
    plays(ann, "a nice fox")
    screen.until(lambda s: s.board["sides"]["a"]["prompt"] == "a nice fox")
    for words in ("a nice f u c k", "sh1t", "ｓｈｉｔ"):
        assert plays(ann, words)["problem"] == BLOCKED
    plays(bob, "Z" + "\u0301" * 500 + "\u202e\x07 algo")
    screen.until(lambda s: s.board["sides"]["b"]["prompt"])
    assert screen.board["sides"]["a"]["prompt"] == "a nice fox"
    words = screen.board["sides"]["b"]["prompt"]
    assert words.count("\u0301") <= 3 and "\u202e" not in words and "\x07" not in words
    long = json.dumps({"prompt": "x" * 100_000, "sequence": 50, "seed": 1})
    bob.say(long)
    bob.say(json.dumps({"prompt": "x" * 3_999, "sequence": 60, "seed": 1}))
    screen.until(lambda s: s.board["sides"]["b"]["prompt"] == "x" * 300)
    asked = {request.prompt for request in game.place.running.engine.requests}
    assert not asked & {"sh1t", "ｓｈｉｔ", "shit", "a nice f u c k"}


def test_freeze_and_blank_win_and_the_battle_goes_on_behind_them(game: Game) -> None:
    presenter, screen, (ann, bob, _) = game.presenter, game.screen, game.phones
    game.gather()
    game.start()
    plays(ann, "seen")
    screen.until(lambda s: s.board["sides"]["a"]["prompt"] == "seen")
    presenter.wish(frozen=True)
    plays(ann, "not seen")
    plays(bob, "nor this")
    presenter.wish(frozen=True, blank=True)
    screen.until(lambda s: s.scene["blank"])
    assert not screen.board, "nothing of it goes over the network either"
    presenter.wish(frozen=True)
    screen.until(lambda s: not s.scene["blank"])
    assert screen.board["sides"]["a"]["prompt"] == "seen"
    assert screen.board["sides"]["b"]["prompt"] == ""
    presenter.wish()
    screen.until(lambda s: s.board["sides"]["b"]["prompt"] == "nor this")
    assert screen.board["sides"]["a"]["prompt"] == "not seen"


def test_a_player_who_is_banned_loses_the_seat_frozen_or_not(game: Game) -> None:
    presenter, screen, (ann, bob, cas) = game.presenter, game.screen, game.phones
    game.gather()
    game.start()
    plays(ann, "a bad one")
    plays(bob, "a good one")
    screen.until(lambda s: s.board["sides"]["a"]["prompt"] == "a bad one")
    presenter.wish(frozen=True)
    presenter.acts += 1
    order = {"number": presenter.acts, "verb": "ban", "side": "a"}
    presenter.wish(frozen=True, battle={"plan": presenter.plan, "orders": [order]})
    screen.until(lambda s: not s.board)
    told = presenter.battle(lambda m: m["done"] >= presenter.acts)
    assert told["phase"] == "gather" and told["sides"]["a"]["by"] is None
    assert "choose another" in told["problem"]
    assert ann.until(lambda m: m["type"] == "refused")["why"] == "banned"
    assert game.phone(ann.welcome["token"]).welcome["why"] == "banned"
    told = presenter.order("seat", side="a", phone=cas.welcome["number"])
    assert told["sides"]["a"]["by"]["number"] == cas.welcome["number"]
    game.phones = [cas, bob]
    game.start()
    assert "a bad one" not in json.dumps(screen.board)


def test_a_player_comes_back_within_the_round(game: Game) -> None:
    screen, (ann, bob, _) = game.screen, game.phones
    game.gather()
    game.start()
    plays(ann, "half a wa")
    ann.connection.close()
    screen.until(lambda s: not s.board["sides"]["a"]["here"])
    assert screen.board["sides"]["a"]["prompt"] == "half a wa"
    again = game.phone(ann.welcome["token"])
    again.sees(lambda v: v["battle"] and v["battle"].get("types"))
    assert again.view["battle"]["prompt"] == "half a wa", "its page can go on from there"
    plays(again, "half a wave")
    screen.until(lambda s: s.board["sides"]["a"]["prompt"] == "half a wave")
    assert screen.board["sides"]["a"]["here"]
    plays(bob, "a ship")
    again.connection.close()
    screen.until(lambda s: not s.board["sides"]["a"]["here"])
    game.vote()


def test_players_are_drawn_by_lot_from_volunteers_and_may_decline(game: Game) -> None:
    presenter, (ann, bob, cas) = game.presenter, game.phones
    presenter.plan = {**THEME, "players": "volunteers"}
    presenter.order("gather")
    assert "no volunteers" in presenter.order("draw", side="a")["problem"]
    for phone in (ann, bob):
        phone.sees(lambda v: v["battle"] and v["battle"]["volunteer"] is False)
        phone.say({"volunteer": True})
        phone.sees(lambda v: v["battle"]["volunteer"])
    told = presenter.battle(lambda m: len(m["volunteers"]) == 2)
    assert told["problem"] == "" or told["problem"].startswith("players")
    drawn = [presenter.order("draw", side=side)["sides"][side]["by"]["number"] for side in "ab"]
    assert sorted(drawn) == sorted([ann.welcome["number"], bob.welcome["number"]])
    shy = ann if drawn[0] == ann.welcome["number"] else bob
    shy.sees(lambda v: v["battle"]["side"] == "a")
    shy.say({"decline": True})
    told = presenter.battle(lambda m: m["sides"]["a"]["by"] is None)
    assert "rather not" in told["problem"]
    presenter.plan = {**THEME, "players": "lot"}
    told = presenter.order("draw", side="a")
    assert told["sides"]["a"]["by"]["number"] in {p.welcome["number"] for p in (ann, bob, cas)}


ORDERS = {"plan": THEME, "orders": [{"number": 1, "verb": "stop"}]}
FORGED = (
    {"battle": ORDERS},
    {"present": {"battle": ORDERS}, "sequence": 1},
    {"orders": ORDERS["orders"]},
    {"verb": "award", "side": "a"},
    {"ballot": "c"},
    {"ballot": ["a"]},
    {"ballot": "a", "number": 1},
    {"ballot": "a"},
    {"volunteer": 1},
    {"decline": True},
    {"cut": True},
)


def test_forged_messages_of_phones_and_players_do_nothing(game: Game) -> None:
    presenter, screen, (ann, _bob, cas) = game.presenter, game.screen, game.phones
    game.gather()
    game.start()
    token = presenter.held["token"]
    stolen = {"code": game.code, "token": token, "battle": ORDERS}
    for phone in (ann, cas):
        for forged in (*FORGED, {"present": stolen, "sequence": 2}):
            phone.say(forged)
    for words in ("", "x", "[" * 9000, '{"ballot": NaN}'):
        cas.say(words)
    plays(ann, "still there")
    screen.until(lambda s: s.board["sides"]["a"]["prompt"] == "still there")
    assert screen.board["phase"] == "typing"
    told = presenter.order("award", side="a")
    assert told["phase"] == "typing" and "nothing to be decided" in told["problem"]


def test_orders_need_the_presenters_right(hall: Make) -> None:
    place = hall(audience=True, presenter_password="secret")  # noqa: S106
    with place.presenter() as presenter, place.presenter() as forger:
        code = presenter.wish(password="secret")["code"]  # noqa: S106
        presenter.plan = dict(THEME)
        presenter.order("gather")
        answer = forger.wish(code=code, token="0" * 64, battle=ORDERS)
        assert answer["needs"] == "password"
        assert presenter.order("vacate", side="a")["on"]


def test_a_side_is_taken_by_its_code_only_and_by_the_newest_browser(place: Hall) -> None:
    with ExitStack() as stack:
        presenter = stack.enter_context(place.presenter())
        wall = presenter.wish()["code"]
        for code in (wall, "", "ZZZZ", "%27--"):
            with place.keyboard(code) as nobody:
                assert nobody.welcome["why"] == "code"
        presenter.plan = dict(SECRET)
        codes = presenter.order("gather")["codes"]
        assert len({*codes.values(), wall}) == 3
        first = stack.enter_context(place.keyboard(codes["a"]))
        for said in (*FORGED, {"join": "x"}, {"name": "x"}, {"send": 1}, "[" * 9000):
            first.say(said)
        second = stack.enter_context(place.keyboard(f"%20{codes['a'].lower()}"))
        assert first.until(lambda m: m["type"] == "refused")["why"] == "taken"
        presenter.battle(lambda m: m["sides"]["a"]["here"] and not m["sides"]["b"]["here"])
        assert "Wait for the start" in plays(second, "too early")["problem"]
        presenter.order("stop")
        second.until(lambda m: m["type"] == "refused")
        with place.keyboard(codes["a"]) as after:
            assert after.welcome["why"] == "code"
        presenter.order("gather")
        assert presenter.order("cut")["codes"] != codes
    assert httpx.get(f"{place.running.url}/battle").status_code == 200


def test_wrong_codes_of_sides_are_slowed_as_those_of_walls(
    hall: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "WRONG_CODES_PER_SECOND", 0.001)  # on a slow machine, too
    place = hall()
    said = []
    for _ in range(32):
        with place.keyboard("ZZZZ") as guess:
            said.append(guess.welcome["message"])
    assert "desk shows" in said[0] and "Too many codes" in said[-1]


def test_a_target_that_cannot_be_painted_is_told_and_ends_nothing(hall: Make) -> None:
    place = hall()
    engine: FakeEngine = place.running.engine
    with ExitStack() as stack:
        presenter = stack.enter_context(place.presenter())
        code = presenter.wish()["code"]
        screen = stack.enter_context(place.screen(code))
        presenter.plan = dict(SECRET)
        keyboards(place, stack, presenter)
        engine.fault = lambda request: GenerationFailed("The device has hiccups.")
        presenter.order("start")
        told = presenter.battle(lambda m: m["problem"])
        assert "hiccups" in told["problem"] and told["phase"] == "gather"
        engine.fault = lambda request: None
        seeds = set()
        for _ in range(2):
            presenter.order("start")
            screen.phase("typing")
            seeds.add(engine.requests[-1].seed)
            assert presenter.order("cancel")["phase"] == "gather"
            screen.phase("gather")
        assert len(seeds) == 2, "a target that was seen is not used again"


def test_players_paint_beside_the_line_and_after_the_presenter(hall: Make) -> None:
    place = hall(audience=True, audience_seats=1)
    with ExitStack() as stack:
        game = Game(place, stack)
        game.phones[2].paint("takes the only seat")
        game.gather()
        game.start()
        plays(game.phones[0], "a")
        plays(game.phones[1], "b")
        game.presenter.paint("c")
    engine: FakeEngine = place.running.engine
    clients = {work.request.prompt: work.client for work in engine.works}
    assert clients["a"] == clients["b"] is not None and clients["c"] is None


def test_on_one_keyboard_who_types_second_reads_no_words_of_the_first(place: Hall) -> None:
    with ExitStack() as stack:
        presenter = stack.enter_context(place.presenter())
        screen = stack.enter_context(place.screen(presenter.wish()["code"]))
        theme = {**THEME, "players": "keyboards", "verdict": "hands", "turns": True}
        presenter.plan = theme
        first, second = keyboards(place, stack, presenter)
        presenter.order("start")
        assert screen.phase("typing")["turn"] == "a"
        plays(first, "my secret")
        assert plays(second, "too soon")["problem"]
        screen.until(lambda s: s.board["sides"]["a"]["prompt"] == "my secret")
        presenter.order("cut")
        screen.until(lambda s: s.board["turn"] == "b" and s.board["phase"] == "typing")
        side = screen.board["sides"]["a"]
        assert side["hidden"] and side["prompt"] == ""
        plays(second, "another")
        presenter.order("cut")
        screen.phase("judging")
        assert screen.board["sides"]["a"]["prompt"] == "my secret"
        told = presenter.order("award", side="b")
        assert told["phase"] == "verdict" and told["sides"]["b"]["wins"] == 1
        presenter.order("start")
        screen.until(lambda s: s.board["phase"] == "typing" and s.board["turn"] == "b")


def test_battles_end_with_the_server(hall: Make) -> None:
    place = hall()
    with ExitStack() as stack:
        presenter = stack.enter_context(place.presenter())
        presenter.plan = dict(SECRET)
        keyboards(place, stack, presenter)
        presenter.order("start")
        place.running.server.stop()
