"""What servers of this demo ask of each other: who may, what is refused, what is streamed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection

from lightning_demo import __version__
from lightning_demo.engine.base import Work
from lightning_demo.engine.wire import Record, parse_frame, unpack
from lightning_demo.engine.wire_fields import MAX_WAITED, instance, parse_work, work_fields
from lightning_demo.errors import InvalidRequest
from lightning_demo.schemas import GenerationRequest, Style

from ..conftest import PATIENCE, Running, connect, wait_for
from ..fakes import LIMITS, STATUS, FakeEngine, color_of

KEYS = {"server": "sk-server-0123456789", "alice": "sk-alice-0123456789"}
SERVER = {"Authorization": f"Bearer {KEYS['server']}"}


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    keys = tmp_path_factory.mktemp("keys") / "keys"
    keys.write_text(f"server {KEYS['server']} server=1\nalice {KEYS['alice']}\n")
    running = Running(FakeEngine(), api_keys=str(keys))
    yield running
    running.server.stop()


def asked(prompt: str = "a cat", **fields: Any) -> GenerationRequest:
    return GenerationRequest.parse({"prompt": prompt, "seed": 7, **fields}, LIMITS)


def body(asked: Work, **changes: Any) -> dict[str, Any]:
    return {
        "name": "one",
        "version": __version__,
        "fingerprint": STATUS.fingerprint,
        "instance": "another",
        "work": work_fields(asked, time.monotonic()),
        "raw": False,
        **changes,
    }


@contextmanager
def opened(keyed: Running, headers: Any = SERVER) -> Iterator[ClientConnection]:
    """A server's connection."""
    address = keyed.url.replace("http", "ws", 1) + "/v1/work"
    with connect(address, additional_headers=headers) as socket:
        yield socket


def heard(socket: ClientConnection, name: str = "one") -> list[Record]:
    """All that is said of some work, from now to its end, but signs of life."""
    records = []
    while not records or not records[-1].is_last:
        record = unpack(socket.recv(timeout=PATIENCE))
        if record.name == name and record.kind != "line":
            records.append(record)
    return records


def answered(keyed: Running, content: Any) -> list[Record]:
    """The same of one message of one connection."""
    with opened(keyed) as socket:
        socket.send(content if isinstance(content, str) else json.dumps(content))
        return heard(socket, content["name"] if isinstance(content, dict) else "")


def test_only_servers_may(keyed: Running) -> None:
    for headers, status in (
        ({}, 401),
        ({"Authorization": f"Bearer {KEYS['alice']}"}, 403),
        (SERVER, 200),
    ):
        assert httpx.get(f"{keyed.url}/v1/engine", headers=headers).status_code == status
        if status != 200:
            with pytest.raises(InvalidStatus) as refused, opened(keyed, headers):
                pass
            assert refused.value.response.status_code == status
            assert json.loads(refused.value.response.body)["status"] == status
    told = httpx.get(f"{keyed.url}/v1/engine", headers=SERVER).json()
    assert (told["version"], told["state"], told["model"]) == (__version__, "ready", "miniature")
    assert told["instance"] == instance() and told["fingerprint"] == STATUS.fingerprint


def test_values_are_told_to_the_final_with_its_pixels(keyed: Running) -> None:
    work = Work(asked(style="night"), client="somebody", since=time.monotonic() - 3)
    records = answered(keyed, body(work))
    assert records[0].kind == "started" and {each.kind for each in records[1:]} == {"frame"}
    frame = parse_frame(records[-1], work.request)
    assert frame.final and frame.pixels.shape == (256, 256, 3)
    assert (frame.pixels == color_of("a cat")).all(), "without any loss"
    (taken,) = (each for each in keyed.engine.works if each.request == work.request)
    assert taken.here and taken.client[:2] == ("server", "server")
    assert "somebody" not in repr(taken.client)
    assert 2.5 < time.monotonic() - taken.since < 30


def test_pixels_may_come_as_they_are(keyed: Running) -> None:
    """Previews then have none, and say how large they are."""
    work = Work(asked(), previews=True)
    records = answered(keyed, body(work, raw=True))[1:]
    frames = [parse_frame(record, work.request, raw=True) for record in records]
    assert (frames[-1].pixels == color_of("a cat")).all()
    assert len(frames) > 1 and {frame.size for frame in frames} == {(256, 256)}
    assert all(frame.pixels is None and frame.data for frame in frames[:-1])


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"raw": 1}, 422, "raw"),
        ({"version": "0.0.1"}, 409, f"of version {__version__}"),
        ({"fingerprint": "x"}, 409, "other weights"),
        ({"work": {}}, 422, "its fields are"),
        ({"more": 1}, 422, "Send fingerprint"),
        ({"instance": instance()}, 409, "very server"),
    ],
)
def test_what_is_refused(keyed: Running, changes: Any, status: int, words: str) -> None:
    (record,) = answered(keyed, body(Work(asked()), **changes))
    assert record.kind == "refused" and record.header["status"] == status
    assert words in record.header["detail"]


@pytest.mark.parametrize("message", ["no JSON", "[]", "{}", '{"name": 7}', '{"name": ""}'])
def test_what_has_no_name_is_refused_without_one(keyed: Running, message: str) -> None:
    (record,) = answered(keyed, message)
    assert record.kind == "refused" and "name: must be a text" in record.header["detail"]


def test_a_key_that_is_taken_back_is_refused_while_its_connection_is_open(
    keyed: Running,
) -> None:
    keys = Path(keyed.server._settings.api_keys)
    before = keys.read_text()
    try:
        with opened(keyed) as socket:
            keys.write_text("# nobody\n")
            for content in (body(Work(asked())), {"name": "one", "work": {}}):
                socket.send(json.dumps(content))
                (record,) = heard(socket)
                assert "is not known" in record.header["detail"]
    finally:
        keys.write_text(before)


def test_works_share_a_connection_and_each_may_leave(keyed: Running) -> None:
    keyed.engine.hold()
    try:
        with opened(keyed) as socket:
            for number, name in enumerate(("one", "two", "three")):
                socket.send(json.dumps(body(Work(asked(seed=number)), name=name)))
            wait_for(lambda: len(keyed.engine.requests) >= 3)
            socket.send(json.dumps({"name": "two"}))
            socket.send(json.dumps({"name": "nobody"}))
            wait_for(lambda: keyed.server._service.painting._pictures.total() == 2)
            keyed.engine.release()
            ends = {}
            while len(ends) < 2:
                record = unpack(socket.recv(timeout=PATIENCE))
                if record.is_last:
                    ends[record.name] = record.kind
        assert ends == {"one": "frame", "three": "frame"}
    finally:
        keyed.engine.release()


def test_a_second_of_one_name_ends_both(keyed: Running) -> None:
    keyed.engine.hold()
    try:
        with opened(keyed) as socket:
            for _ in range(2):
                socket.send(json.dumps(body(Work(asked(seed=11)))))
            assert heard(socket)[-1].header["detail"].startswith("name: there is work")
            wait_for(lambda: not keyed.server._service.painting.busy)
    finally:
        keyed.engine.release()


def test_whoever_goes_stops_all_of_its_work(keyed: Running) -> None:
    keyed.engine.hold()
    try:
        with opened(keyed) as socket:
            socket.send(json.dumps(body(Work(asked(seed=12)))))
            wait_for(lambda: keyed.server._service.painting.busy)
        wait_for(lambda: not keyed.server._service.painting.busy)
    finally:
        keyed.engine.release()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("draft", "yes"),
        ("ahead", None),
        ("origin", "elsewhere"),
        ("client", 7),
        ("client", "x" * 65),
        ("waited", -1),
        ("waited", MAX_WAITED * 2),
        ("waited", True),
        ("request", []),
        ("request", {"prompt": ""}),
        ("request", {"prompt": "a", "width": 10**6}),
        ("request", {"prompt": "a", "style": "night"}),
        ("request", {"prompt": "a", "style": {"name": "x"}}),
    ],
)
def test_every_field_of_work_is_checked(name: str, value: Any) -> None:
    content = {**work_fields(Work(asked()), 0.0), name: value}
    with pytest.raises(InvalidRequest):
        parse_work(content, LIMITS, 0.0, "server")


def test_work_arrives_as_it_was_sent() -> None:
    style = Style("Mine", "{prompt}, as  I like it", "nothing else")
    request = GenerationRequest(**{**_fields(asked(variation_strength=0.5)), "style": style})
    sent = Work(request, since=10.0, draft=True, previews=False, paused=True, yields=True)
    back = parse_work(work_fields(sent, 12.5), LIMITS, 100.0, "server")
    assert back.request == request and back.since == 97.5 and back.client is None
    assert (back.draft, back.previews, back.paused, back.yields) == (True, False, True, True)
    assert back.here, "it goes no further"


def test_a_key_of_a_server_is_one_word_more(tmp_path: Path) -> None:
    from lightning_demo.errors import InvalidSetting
    from lightning_demo.web.api.access import KeyFile

    file = tmp_path / "keys"
    file.write_text("tokyo sk-0123456789abcdef server=1\n")
    assert KeyFile(file).holder("sk-0123456789abcdef").server
    file.write_text("tokyo sk-0123456789abcdef server=2\n")
    with pytest.raises(InvalidSetting, match="server=1"):
        KeyFile(file)


def _fields(request: GenerationRequest) -> dict[str, Any]:
    return {name: getattr(request, name) for name in GenerationRequest.__dataclass_fields__}
