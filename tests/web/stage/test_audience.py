"""Phones that paint and send, and a presenter who decides: real server, real sockets."""

from __future__ import annotations

import csv
import io
import json
import time
import zipfile
from collections.abc import Callable
from contextlib import ExitStack

import httpx
import pytest
from PIL import Image
from websockets.exceptions import ConnectionClosed, InvalidStatus

from lightning_demo.web.stage.audience import audiences, members, phone_socket
from lightning_demo.web.stage.audience.audience import BLOCKED
from lightning_demo.web.stage.audience.gallery import file_name

from ..conftest import connect, wait_for
from ..fakes import STATUS, FakeEngine, color_of
from .conftest import Hall, Phone, Presenter

Make = Callable[..., Hall]


def sent(presenter: Presenter, phone: Phone, prompt: str) -> int:
    """A picture in the tray; returns its entry."""
    assert phone.send(prompt) == ""
    tray = presenter.tray(lambda m: any(e["prompt"] == prompt for e in m["waiting"]))
    return next(e["entry"] for e in tray["waiting"] if e["prompt"] == prompt)


def test_a_phone_paints_sends_and_is_shown(crowd: Hall) -> None:
    with crowd.presenter() as presenter:
        code = presenter.wish()["code"]
        with crowd.phone(code) as phone, crowd.screen(code) as screen:
            assert phone.welcome["number"] == 1 and phone.welcome["colour"].startswith("#")
            phone.say({"name": "Ann 🦊"})
            phone.until(lambda m: m["type"] == "name")
            picture = phone.paint("a red fox")
            assert Image.open(io.BytesIO(picture["data"])).size == (256, 256)

            presenter.paint("the talk")
            screen.prompt("the talk")
            phone.say({"send": phone.sequence})
            assert not phone.until(lambda m: m["type"] == "send")["problem"]
            presenter.wish()
            thumbnail = presenter.until(lambda m: m["type"].startswith("thumbnail"))[-1]
            tray = presenter.tray(lambda m: m["waiting"])
            entry = tray["waiting"][0]
            assert entry["entry"] == thumbnail["entry"]
            assert entry["prompt"] == "a red fox"
            assert (entry["by"]["number"], entry["by"]["name"]) == (1, "Ann 🦊")
            assert phone.sees(lambda v: v["sent"])["sent"][0]["state"] == "waiting"
            assert screen.scene["prompt"] == "the talk", "nothing is shown before"

            presenter.act("release", entry["entry"])
            screen.prompt("a red fox")
            assert screen.scene["by"]["name"] == "Ann 🦊"
            screen.until(lambda s: near(s.header["data"], color_of("a red fox")))
            phone.sees(lambda v: v["shown"] and v["shown"]["own"])

            presenter.paint("on with it")
            screen.prompt("on with it")
            assert screen.scene["by"] is None
            phone.sees(lambda v: v["shown"] is None)


def near(data: bytes, colour: tuple[int, int, int]) -> bool:
    pixel = Image.open(io.BytesIO(data)).convert("RGB").getpixel((64, 64))
    return all(abs(a - b) < 16 for a, b in zip(pixel, colour, strict=True))


def test_a_pinned_picture_stays_while_the_presenter_types(crowd: Hall) -> None:
    with crowd.presenter() as presenter:
        code = presenter.wish()["code"]
        with crowd.phone(code) as phone, crowd.screen(code) as screen:
            presenter.act("pin", sent(presenter, phone, "a boat"))
            screen.prompt("a boat")
            presenter.paint("typed meanwhile")
            tray = presenter.tray(lambda m: m["released"])
            assert tray["released"][0]["pinned"]
            assert screen.scene["prompt"] == "a boat"
            presenter.act("unpin", tray["released"][0]["entry"])
            presenter.paint("typed later")
            screen.prompt("typed later")


def test_a_skipped_picture_is_gone_and_one_on_the_wall_is_taken_off(crowd: Hall) -> None:
    with crowd.presenter() as presenter:
        code = presenter.wish()["code"]
        with crowd.phone(code) as phone, crowd.screen(code) as screen:
            assert not presenter.act("skip", sent(presenter, phone, "a boat"))["waiting"]
            entry = sent(presenter, phone, "a tree")
            presenter.act("release", entry)
            screen.prompt("a tree")
            assert not presenter.act("skip", entry)["gallery"]
            screen.until(lambda s: not s.scene["picture"])
            assert screen.scene["prompt"] is None
            assert presenter.act("release", entry)["gallery"] == 0, "what is gone is gone"


def test_a_ban_removes_everything_of_that_person_frozen_or_not(crowd: Hall) -> None:
    with crowd.presenter() as presenter:
        code = presenter.wish()["code"]
        with (
            crowd.phone(code) as bad,
            crowd.phone(code) as good,
            crowd.screen(code) as screen,
        ):
            presenter.act("release", sent(presenter, good, "a good one"))
            bad.sees(lambda v: v["shown"])
            bad.say({"vote": bad.view["shown"]["entry"], "on": True})
            presenter.tray(lambda m: m["released"][0]["votes"] == 1)
            first = sent(presenter, bad, "a bad one")
            sent(presenter, bad, "another bad one")
            presenter.act("release", first)
            screen.prompt("a bad one")
            presenter.wish(frozen=True)
            tray = presenter.tray(
                lambda m: m["done"] == 99,
                frozen=True,
                acts=[{"number": 99, "verb": "ban", "entry": first}],
            )
            screen.until(lambda s: not s.scene["picture"])
            assert not tray["waiting"]
            assert [e["prompt"] for e in tray["released"]] == ["a good one"]
            assert tray["released"][0]["votes"] == 0
            assert bad.until(lambda m: m["type"] == "refused")["why"] == "banned"
            with pytest.raises(ConnectionClosed):
                bad.receive()
        with crowd.phone(code, bad.welcome["token"]) as again:
            assert again.welcome["why"] == "banned", "its token is known"


def test_blocked_words_are_refused_politely_and_never_painted(crowd: Hall) -> None:
    with crowd.presenter() as presenter, crowd.phone(presenter.wish()["code"]) as phone:
        for prompt in ("a f u c k", "sh1t", "ｓｈｉｔ"):
            assert phone.paint(prompt)["problem"] == BLOCKED
        phone.say({"name": "Adolf H1tl3r"})
        answer = phone.until(lambda m: m["type"] == "name")
        assert answer["problem"] and answer["name"] == ""
        phone.paint("Scunthorpe")
        asked = {request.prompt for request in crowd.running.engine.requests}
        assert "Scunthorpe" in asked and not asked & {"a f u c k", "sh1t", "ｓｈｉｔ", "shit"}


def test_names_and_prompts_are_cleaned(crowd: Hall) -> None:
    with crowd.presenter() as presenter, crowd.phone(presenter.wish()["code"]) as phone:
        phone.say({"name": "<script>" + "x" * 500 + "\u202e"})
        name = phone.until(lambda m: m["type"] == "name")["name"]
        assert len(name) == 24 and name.startswith("<script>xx")
        sent(presenter, phone, "\u0179algo fox")
        phone.paint("Z" + "\u0301" * 50 + "\x07 fox")
        assert all(
            request.prompt.count("\u0301") <= 3 and "\x07" not in request.prompt
            for request in crowd.running.engine.requests
        )


def test_seats_are_few_others_stand_in_line_and_come_back_to_theirs(
    hall: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audiences, "IDLE_SECONDS", 3600.0)
    place = hall(audience=True, audience_seats=1)
    with place.presenter() as presenter:
        code = presenter.wish()["code"]
        with place.phone(code) as first:
            first.paint("a cat")
            with place.phone(code) as second:
                second.type("a dog")
                line = second.until(lambda m: m["type"] == "line")
                assert (line["what"], line["ahead"]) == ("seat", 0)
                presenter.tray(lambda m: m["line"] == 1 and m["painting"] == 1)
                second.say({"send": second.sequence})
                assert "Wait" in second.until(lambda m: m["type"] == "send")["problem"]
            presenter.paint("the presenter needs none of these seats")
        with place.phone(code, first.welcome["token"]) as again:
            assert again.welcome["number"] == first.welcome["number"]
            assert again.welcome["colour"] == first.welcome["colour"]
            again.paint("a cat again")
            with place.phone(code, second.welcome["token"]) as waiting:
                waiting.type("a dog")
                waiting.until(lambda m: m["type"] == "line" and m["what"] == "seat")


def test_a_second_window_takes_over(crowd: Hall) -> None:
    with crowd.presenter() as presenter:
        code = presenter.wish()["code"]
        with crowd.phone(code) as first, crowd.phone(code, first.welcome["token"]) as second:
            assert second.welcome["number"] == first.welcome["number"]
            assert first.until(lambda m: m["type"] == "refused")["why"] == "taken"
            second.paint("a cat")


def test_votes_count_once_a_phone_for_what_is_on_the_wall(crowd: Hall) -> None:
    with crowd.presenter() as presenter:
        presenter.switches = {"votes": True}
        code = presenter.wish()["code"]
        with (
            crowd.phone(code) as one,
            crowd.phone(code) as two,
            crowd.screen(code) as screen,
        ):
            entry = sent(presenter, one, "a boat")
            two.say({"vote": entry, "on": True})
            assert two.until(lambda m: m["type"] == "vote")["problem"], "not on the wall"
            presenter.act("release", entry)
            two.sees(lambda v: v["shown"])
            for _ in range(3):
                two.say({"vote": entry, "on": True})
                two.sees(lambda v: v["shown"]["voted"])
            one.say({"vote": entry, "on": True})
            assert "own" in one.until(lambda m: m["type"] == "vote")["problem"]
            screen.until(lambda s: s.scene.get("votes") == 1)
            presenter.tray(lambda m: m["released"][0]["votes"] == 1)
            two.say({"vote": entry, "on": False})
            screen.until(lambda s: s.scene["votes"] == 0)


def test_the_presenter_closes_hides_names_and_lets_all_through(
    crowd: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lightning_demo.web.stage.audience import audience

    monkeypatch.setattr(audience, "SHOW_SECONDS", 0.0)
    with crowd.presenter() as presenter:
        code = presenter.wish()["code"]
        with crowd.phone(code) as phone, crowd.screen(code) as screen:
            phone.paint("a boat")
            presenter.switches = {"open": False}
            presenter.wish()
            phone.sees(lambda v: not v["open"])
            assert phone.paint("a tree")["problem"]
            phone.say({"send": 1})
            assert phone.until(lambda m: m["type"] == "send")["problem"]
            presenter.switches = {"open": True, "approval": False, "anonymous": True}
            presenter.wish()
            phone.sees(lambda v: v["open"])
            assert phone.send("a house") == ""
            screen.prompt("a house")
            assert screen.scene["by"] is None
            presenter.wish(blank=True)
            assert phone.send("a star") == ""
            screen.until(lambda s: s.scene["blank"])
            tray = presenter.tray(lambda m: m["waiting"], blank=True)
            assert [e["prompt"] for e in tray["waiting"]] == ["a star"], "not while it is blank"


def test_the_code_on_the_wall_leads_to_the_page(hall: Make) -> None:
    place = hall(audience=True, audience_url="https://demo.example/talk/")
    with place.presenter() as presenter:
        code = presenter.wish()["code"]
        with place.screen(code) as screen:
            presenter.switches = {"code": "corner"}
            presenter.wish()
            said: dict[str, object] = {}
            while not said.get("url"):
                message = screen.receive()
                said = message if message["type"] == "invitation" else {}
            assert said["url"] == f"https://demo.example/talk/audience?code={code}"
            presenter.switches = {"code": "none"}
            presenter.wish()
            while said.get("url") != "":
                message = screen.receive()
                said = message if message["type"] == "invitation" else said
    page = httpx.get(f"{place.running.url}/audience").text
    assert "http://" not in page and "https://" not in page, "nothing from outside"


def test_where_only_this_machine_is_served_phones_have_no_address(crowd: Hall) -> None:
    with crowd.presenter() as presenter:
        tray = presenter.tray(audience={"code": "large"})
        assert tray["url"] == "" and tray["addresses"] == []


FORGED = (
    {"present": {"acts": [{"number": 1, "verb": "release", "entry": 1}]}, "sequence": 1},
    {"sequence": 1, "request": {"prompt": "forged"}},
    {"release": 1},
    {"ban": 1},
    {"join": "again"},
    {"vote": -1},
    {"vote": True},
    {"send": 10**30},
    {"name": ["x"]},
    {"prompt": "x", "sequence": 1, "seed": -1},
    {"prompt": "x" * 5000, "sequence": 1},
    {"prompt": "forged", "sequence": 1, "num_inference_steps": 8},
    [],
    7,
)


def test_forged_messages_of_phones_do_nothing(crowd: Hall) -> None:
    with crowd.presenter() as presenter:
        code, token = (presenter.wish()[name] for name in ("code", "token"))
        with crowd.phone(code) as phone, crowd.screen(code) as screen:
            entry = sent(presenter, phone, "a boat")
            present = {"code": code, "token": token, "audience": {"approval": False}}
            for forged in (*FORGED, {"present": present, "sequence": 2}):
                phone.say(json.dumps(forged))
            for text in ("", "x", "[" * 9000, '{"seen": NaN}', "{" * 20_000):
                phone.say(text)
            phone.connection.send(b"\x00\xff")
            phone.paint("still there")
            tray = presenter.tray()
            assert [e["entry"] for e in tray["waiting"]] == [entry] and not tray["released"]
            assert screen.scene.get("prompt") is None
            assert all(r.prompt != "forged" for r in crowd.running.engine.requests)


def test_acts_need_the_presenters_right(hall: Make) -> None:
    place = hall(audience=True, presenter_password="secret")  # noqa: S106
    with place.presenter() as presenter:
        code = presenter.wish(password="secret")["code"]  # noqa: S106
        with place.phone(code) as phone, place.presenter() as forger:
            entry = sent(presenter, phone, "a boat")
            act = {"number": 1, "verb": "release", "entry": entry}
            answer = forger.wish(code=code, token="0" * 64, acts=[act])
            assert answer["needs"] == "password"
            assert presenter.tray()["waiting"]


def test_a_thousand_prompts_a_second_slow_only_their_sender(crowd: Hall) -> None:
    with crowd.presenter() as presenter:
        code = presenter.wish()["code"]
        with crowd.phone(code) as flooder, crowd.phone(code) as other:
            before = len(crowd.running.engine.requests)
            for number in range(1000):
                flooder.type(f"flood {number}")
            other.paint("a quiet one")
            presenter.paint("the presenter's")
            flooder.until(lambda m: m.get("final") and m["sequence"] == 1000)
            asked = [r.prompt for r in crowd.running.engine.requests[before:]]
            assert asked.count("flood 999") == 1, "the last word wins"
            assert len(asked) < 300


def test_what_one_phone_may_send_is_bounded(crowd: Hall) -> None:
    with crowd.presenter() as presenter, crowd.phone(presenter.wish()["code"]) as phone:
        assert phone.send("one") == ""
        assert "already" in phone.send("one")
        problems = [phone.send(prompt) for prompt in ("two", "three", "four")]
        assert problems[:2] == ["", ""] and "wait" in problems[2]
        presenter.tray(lambda m: len(m["waiting"]) == 3)
        for number in range(8):
            phone.say({"name": f"name {number}"})
            answer = phone.until(lambda m: m["type"] == "name")
        assert "quick" in answer["problem"]


def test_the_number_of_phones_is_bounded_and_told(
    crowd: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(members, "MAX_PHONES", 3)
    with crowd.presenter() as presenter, ExitStack() as phones:
        code = presenter.wish()["code"]
        come = [phones.enter_context(crowd.phone(code)) for _ in range(4)]
        assert [phone.welcome.get("why") for phone in come] == [None, None, None, "later"]
        come[0].connection.close()
        audience = crowd.running.server._service.stage.audiences.of(
            crowd.running.server._service.stage.walls.find(code)
        )
        wait_for(lambda: len(audience.members.connected) == 2)
        assert phones.enter_context(crowd.phone(code)).welcome["type"] == "welcome"


def test_a_phone_for_which_there_is_no_connection_leaves_nothing(hall: Make) -> None:
    place = hall(audience=True, sessions_per_address=2)  # the presenter and one phone
    with place.presenter() as presenter:
        code = presenter.wish()["code"]
        with place.phone(code) as phone:
            token = phone.welcome["token"]
            with place.phone(code) as refused:
                assert refused.welcome["why"] == "later"
            stage = place.running.server._service.stage
            audience = stage.audiences.of(stage.walls.find(code))
            assert [member.token for member in audience.members] == [token]


def test_who_says_nothing_or_has_no_code_does_not_stay(
    crowd: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    with crowd.phone("ZZZZ") as phone:
        assert phone.welcome["why"] == "code"
    monkeypatch.setattr(phone_socket, "JOIN_SECONDS", 0.05)
    address = crowd.running.url.replace("http", "ws") + "/audience/live?code=ZZZZ"
    with connect(address) as silent:
        assert json.loads(silent.recv(timeout=20))["type"] == "refused"


def test_the_gallery_is_the_presenters(crowd: Hall) -> None:
    url = f"{crowd.running.url}/stage/gallery"
    with crowd.presenter() as presenter:
        held = {**presenter.wish(), "kind": "zip"}
        asked = {name: held[name] for name in ("code", "token", "kind")}
        assert httpx.post(url, json=asked).status_code == 404, "nothing was shown yet"
        with crowd.phone(held["code"]) as phone:
            phone.say({"name": "=cmd|'x"})
            for prompt in ("a boat", "قارب 🐈", "../../<b>"):
                presenter.act("release", sent(presenter, phone, prompt))
            sent_only = phone.send("never shown")
            assert sent_only != "x"
        for wrong in (
            {"token": "0" * 64},
            {"token": 7},
            {"code": "ZZZZ"},
            {"kind": "exe"},
            {"kind": []},
        ):
            assert httpx.post(url, json={**asked, **wrong}).status_code in (403, 422)
        answer = httpx.post(url, json=asked, timeout=60)
        assert answer.status_code == 200
        archive = zipfile.ZipFile(io.BytesIO(answer.content))
        assert archive.testzip() is None
        names = archive.namelist()
        assert names[:3] == ["001-1-a-boat.jpg", "002-1-picture.jpg", "003-1-b.jpg"]
        assert f'"model": "{STATUS.model}"'.encode() in archive.read(names[0])
        assert "&lt;b&gt;" in archive.read("index.html").decode()
        table = list(csv.reader(io.StringIO(archive.read("pictures.csv").decode("utf-8-sig"))))
        assert [row[3] for row in table[1:]] == ["a boat", "قارب 🐈", "../../<b>"]
        assert table[1][2].startswith("'=")
        assert near(archive.read(names[0]), color_of("a boat"))
        sheet = httpx.post(url, json={**asked, "kind": "sheet"}, timeout=60)
        assert Image.open(io.BytesIO(sheet.content)).format == "JPEG"


def test_file_names_fit_every_system() -> None:
    from lightning_demo.web.stage.audience.gallery import Shown

    shown = Shown(7, "", "#fff", "A Ré d/..\\fox?" + "x" * 300, 1, 0, b"")
    assert file_name(3, shown) == "003-7-a-re-d-fox-" + "x" * 29 + ".jpg"


def test_without_the_option_there_is_no_audience(place: Hall) -> None:
    assert httpx.get(f"{place.running.url}/audience").status_code == 404
    with place.presenter() as presenter:
        code = presenter.wish()["code"]
        with pytest.raises(InvalidStatus), place.phone(code):
            pass


def test_phones_come_after_the_presenter_in_the_engine(hall: Make) -> None:
    place = hall(audience=True)
    engine: FakeEngine = place.running.engine
    with place.presenter() as presenter:
        code = presenter.wish()["code"]
        with place.phone(code) as one, place.phone(code) as two:
            one.paint("a")
            two.paint("b")
            presenter.paint("c")
    clients = {work.request.prompt: work.client for work in engine.works}
    assert clients["a"] == clients["b"] is not None and clients["c"] is None


def test_audiences_end_with_the_server(hall: Make) -> None:
    place = hall(audience=True)
    with place.presenter() as presenter, place.phone(presenter.wish()["code"]) as phone:
        started = time.monotonic()
        place.running.server.stop()
        with pytest.raises(ConnectionClosed):
            while time.monotonic() - started < 20:
                phone.receive()
