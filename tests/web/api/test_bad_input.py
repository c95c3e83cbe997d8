"""Whatever is wrong with a request, each vendor refuses it in its own shape, and goes on painting.

Bodies that are none, too large, too slow or broken off; fields of every wrong type and beyond every
bound; ids that are paths or somebody else's; text that a browser would run.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import io
import json
import logging
import re
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import jsonschema
import msgpack
import pytest
from PIL import Image
from pydantic import BaseModel
from websockets.exceptions import ConnectionClosedError

from lightning_demo.errors import OutOfMemory
from lightning_demo.web import http_json
from lightning_demo.web.api import a1111_settings, fal, fal_queue
from lightning_demo.web.api.reading import Question
from lightning_demo.web.guard import LARGER_BODIES
from lightning_demo.web.messages import MAX_MESSAGE_BYTES

from ..conftest import PATIENCE, Running, connect, wait_for
from ..fakes import FakeEngine, color_of
from .vendors import JSON, PAINTERS, PROMPT, Vendor, post, words_of_cog, words_of_fal

VENDORS = {
    **PAINTERS,
    "png-info": Vendor(
        "/sdapi/v1/png-info", {"image": ""}, lambda c: c["errors"], a1111_settings.PictureQuestion
    ),
    "options": Vendor("/sdapi/v1/options", {}, lambda c: c["errors"], Question),
}
SAME_QUESTIONS = ("replicate's model", "fal stream", "fal queue", "fal proxy")
READERS = {
    name: vendor
    for name, vendor in VENDORS.items()
    if name not in SAME_QUESTIONS and vendor.question is not Question
}
FOLDING = ("openai", "hugging face", "a1111", "cloudflare", "runflow", "synexa", "fal run")

# The protocol's SDK reads its bodies, and answers what is no message of it.
CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "paint"}}
MCP = Vendor(
    "/mcp",
    {**CALL, "params": {"name": "paint", "arguments": PROMPT}},
    lambda c: c["error"]["message"] if "error" in c else c["detail"],
    Question,
    headers=(("Accept", "application/json, text/event-stream"),),
)


def every(vendors: dict[str, Vendor]) -> Any:
    return pytest.mark.parametrize("vendor", vendors.values(), ids=list(vendors))


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    """One server for all of it."""
    running = Running(FakeEngine(step_seconds=0))
    yield running
    running.server.stop()


@pytest.fixture(scope="module")
def ask(server: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=PATIENCE) as client:
        yield client


@pytest.fixture(autouse=True)
def nothing_is_an_incident(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """What is wrong with a request is no fault of the server's."""
    yield
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def refused(vendor: Vendor, answer: httpx.Response, status: int) -> str:
    """Checks the status of a refusal and that its shape is the vendor's; returns its words."""
    assert answer.status_code == status, answer.text
    kind = answer.headers["content-type"].partition(";")[0]
    assert kind in ("application/json", "application/problem+json")
    return vendor.words(answer.json())


# Bodies


@every(VENDORS)
@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "must be JSON"),
        (b"{", "must be JSON"),
        (b"\xff\xfe", "must be JSON"),
        (b"[" * 100_000, "At most 64"),
        (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, "At most 64"),
        (b'{"input": {"x": ' + b"[" * 600 + b"]" * 600 + b"}}", "At most 64"),
        (b'{"prompt": NaN}', "must be JSON"),
        (b'{"prompt": -Infinity}', "must be JSON"),
        (b'{"seed": ' + b"9" * 10_000 + b"}", "must be JSON"),
        (b'["a cat"]', "must be a JSON object"),
        (b"null", "must be a JSON object"),
    ],
    ids=lambda given: given[:20] if isinstance(given, bytes) else "",
)
def test_bodies_that_are_none(ask: httpx.Client, vendor: Vendor, body: bytes, words: str) -> None:
    assert words in refused(vendor, post(ask, vendor, body), vendor.unprocessable)


@every(VENDORS)
@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "x" * 9_000])
def test_another_media_type(ask: httpx.Client, vendor: Vendor, kind: str) -> None:
    answer = post(ask, vendor, vendor.body, **{"Content-Type": kind})
    assert "application/json" in refused(vendor, answer, 415)


@every(PAINTERS)
def test_of_duplicates_the_last_counts(ask: httpx.Client, vendor: Vendor) -> None:
    """As with the vendors' own servers."""
    body = vendor.asking(height=True)
    name = "inputs" if "inputs" in body else "prompt"
    twice = json.dumps(body).replace(f'"{name}"', f'"{name}": [1], "{name}"')
    twice = twice.replace("true", "null")
    answer = post(ask, vendor, twice.encode())
    assert answer.is_success, answer.text


class Raw:
    """A connection on which a request is sent byte by byte."""

    def __init__(self, running: Running, vendor: Vendor, **headers: Any) -> None:
        where = urlsplit(running.url)
        self._socket = socket.create_connection((where.hostname, where.port), PATIENCE)
        fields = {"Host": where.netloc, **JSON, **dict(vendor.headers), **headers}
        lines = [f"POST {vendor.path} HTTP/1.1", *(f"{k}: {v}" for k, v in fields.items())]
        self.send("\r\n".join([*lines, "", ""]).encode())

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def answer(self) -> tuple[int, Any]:
        """Status and content of what is answered."""
        with contextlib.closing(self._socket):
            response = http.client.HTTPResponse(self._socket)
            response.begin()
            return response.status, json.load(response)

    def go_away(self, *, reset: bool) -> None:
        if reset:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()


@every({**VENDORS, "mcp": MCP})
def test_a_gigabyte_is_refused_before_it_is_read(server: Running, vendor: Vendor) -> None:
    status, content = Raw(server, vendor, **{"Content-Length": 2**30}).answer()
    most = LARGER_BODIES.get(vendor.path, MAX_MESSAGE_BYTES)
    assert status == 413
    assert vendor.words(content) == f"At most {most:,} bytes may be sent at once."


@every({**VENDORS, "mcp": MCP})
def test_a_body_without_length_is_cut_off(server: Running, vendor: Vendor) -> None:
    raw = Raw(server, vendor, **{"Transfer-Encoding": "chunked"})
    most = LARGER_BODIES.get(vendor.path, MAX_MESSAGE_BYTES)
    # The byte that is one too many is the last one: all that is sent is read before it is refused.
    raw.send(f"{2**30:x}\r\n".encode() + b" " * (most + 1))
    status, content = raw.answer()
    assert status == 413
    assert vendor.words(content) == f"At most {most:,} bytes may be sent at once."


@every({**VENDORS, "mcp": MCP})
def test_a_slow_body_is_not_waited_for(
    server: Running, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_json, "BODY_SECONDS", 0.05)
    raw = Raw(server, vendor, **{"Content-Length": 100})
    raw.send(b'{"prompt": ')
    status, content = raw.answer()
    assert (status, vendor.words(content)) == (408, "The request took too long to arrive.")


@every({**VENDORS, "mcp": MCP})
@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_a_client_that_goes_away_in_mid_upload(
    server: Running, vendor: Vendor, reset: bool
) -> None:
    state = server.server._blocks.server.server_state
    before = state.total_requests
    raw = Raw(server, vendor, **{"Content-Length": 100})
    raw.send(b'{"prompt": ')
    wait_for(lambda: state.total_requests > before or state.tasks)
    raw.go_away(reset=reset)
    wait_for(lambda: not state.tasks)
    assert not server.engine.running


@every({**VENDORS, "mcp": MCP})
def test_pages_of_others(ask: httpx.Client, vendor: Vendor) -> None:
    answer = post(ask, vendor, vendor.body, Origin="https://evil.example")
    assert refused(vendor, answer, 403) == "Only the demo's own page may do this."


def headers_answered(server: Running, vendor: Vendor, header: str) -> bytes:
    """The status line that answers 10,000 headers; empty where the connection is just closed."""
    text = "\r\n".join(header.format(number) for number in range(10_000))
    where = urlsplit(server.url)
    begin = f"POST {vendor.path} HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Length: 0\r\n"
    with (
        socket.create_connection((where.hostname, where.port), PATIENCE) as connection,
        contextlib.suppress(ConnectionError),  # closed while there is more to send
    ):
        connection.sendall(f"{begin}Content-Type: text/plain\r\n{text}\r\n\r\n".encode())
        return connection.makefile("rb").readline()
    return b""


@every({**VENDORS, "mcp": MCP})
def test_ten_thousand_headers(server: Running, vendor: Vendor) -> None:
    """Below 64 KB they are headers as any others."""
    assert re.match(rb"HTTP/1.1 4\d\d ", headers_answered(server, vendor, "a:b"))


def test_more_headers_than_64_kb(server: Running, ask: httpx.Client) -> None:
    """h11 refuses them before there is a route."""
    line = headers_answered(server, PAINTERS["native"], "x-header-{}: value")
    assert re.match(rb"HTTP/1.1 4\d\d ", line) or not line
    assert ask.get("/healthz").status_code == 200


# Fields

NONSENSE: tuple[Any, ...] = ({"no": [1]}, [[1]], "no such value", 10**30)


def wrong_fields(question: type[BaseModel]) -> Iterator[tuple[str, Any, str]]:
    """Name, a value that it cannot have, and what must be said of its range, by the schema."""
    whole = question.model_json_schema()
    for name, schema in whole["properties"].items():
        choices = schema.get("anyOf", [schema])
        bounds = [c for c in choices if "minimum" in c and "maximum" in c]
        values = [*NONSENSE]
        words = "must be"
        for bound in bounds:
            values += [bound["minimum"] - 1, bound["maximum"] + 1]
            words = f"from {bound['minimum']} to {bound['maximum']}"
        rules = jsonschema.Draft202012Validator({**schema, "$defs": whole.get("$defs", {})})
        for value in values:
            if not rules.is_valid(value):
                yield name, value, words


@every(READERS)
def test_every_field_of_every_wrong_kind(ask: httpx.Client, vendor: Vendor) -> None:
    asked = 0
    for name, value, words in wrong_fields(vendor.question):
        answer = post(ask, vendor, {**vendor.body, name: value})
        told = refused(vendor, answer, vendor.unprocessable)
        assert re.search(rf"\b{name}(\.\w+)?: .*({words}|is required)", told), (name, value, told)
        asked += 1
    for name, value, words in wrong_fields(vendor.inner) if vendor.inner else ():
        answer = post(ask, vendor, vendor.asking(**{name: value}))
        told = refused(vendor, answer, vendor.unprocessable)
        where = rf"\b{vendor.inside}\.{name}(\.\w+)?: "
        assert re.search(f"{where}.*{words}", told), (name, value, told)
        asked += 1
    assert asked


@every(PAINTERS)
@pytest.mark.parametrize("escape", ["\\u0000", "\\ud800", "\\u009b"])
def test_a_prompt_with_what_is_no_text(ask: httpx.Client, vendor: Vendor, escape: str) -> None:
    text = json.dumps(vendor.body).replace("a cat", f"a {escape} cat")
    told = refused(vendor, post(ask, vendor, text.encode()), vendor.unprocessable)
    assert re.search(r"\b(prompt|inputs): ", told)


def asking_for(vendor: Vendor, value: str) -> bytes:
    """Its body with some JSON in fields that nobody knows, and in one that is repeated."""
    body = {**vendor.asking(extra="VALUE"), "extra": "VALUE", "metadata": {"VALUE": ["VALUE"]}}
    text = json.dumps(body)
    return text.replace('"VALUE":', '"\\ud83d":').replace('"VALUE"', value).encode()


@every(PAINTERS)
def test_half_a_character_in_a_field_without_effect(
    server: Running, ask: httpx.Client, vendor: Vendor
) -> None:
    """Some vendors repeat it in their answers."""
    answer = post(ask, vendor, asking_for(vendor, '"half of \\ud83d"'))
    assert answer.is_success, answer.text
    if vendor.later is not None:
        assert ask.get(vendor.later(answer.json())).status_code in (200, 202, 400)


@every(PAINTERS)
def test_a_number_beyond_any_is_refused_before_any_work(
    server: Running, ask: httpx.Client, vendor: Vendor
) -> None:
    before = len(server.engine.requests)
    told = refused(vendor, post(ask, vendor, asking_for(vendor, "1e999")), vendor.unprocessable)
    assert "below 1.8e308" in told
    assert len(server.engine.requests) == before


def test_such_fields_leave_the_clients_list_as_it_is(ask: httpx.Client) -> None:
    vendor = PAINTERS["replicate"]
    post(ask, vendor, asking_for(vendor, "1e999"))
    sent = post(ask, vendor, asking_for(vendor, '"half of \\ud83d"')).json()
    listed = ask.get("/v1/predictions")
    assert listed.status_code == 200
    found = {each["id"]: each["input"].get("extra") for each in listed.json()["results"]}
    assert found[sent["id"]] == "half of \ud83d"


@every({name: PAINTERS[name] for name in FOLDING})
def test_seeds_that_are_folded(ask: httpx.Client, vendor: Vendor) -> None:
    answer = post(ask, vendor, vendor.asking(seed=2**64 + 7))
    assert answer.is_success
    told = answer.headers.get("X-Warnings", "") + answer.text
    assert f"{2**64 + 7} became" in told


HTML = "<script>alert(1)</script>"


@every(PAINTERS)
def test_what_a_browser_would_run_is_never_a_page(ask: httpx.Client, vendor: Vendor) -> None:
    body = json.loads(json.dumps(vendor.asking(**{HTML: HTML})).replace("a cat", HTML))
    answers = [post(ask, vendor, body), post(ask, vendor, {**body, "height": HTML, "input": HTML})]
    answers.append(post(ask, vendor, json.dumps(HTML).encode()))
    if vendor.later is not None:
        answers.append(ask.get(vendor.later(answers[0].json())))
    assert answers[0].is_success
    for answer in answers:
        kind = answer.headers["content-type"]
        assert kind.startswith(("application/", "image/", "text/event-stream")), answer.text


# Ids

TRICKS = {
    "up": "../store.sqlite",
    "up, escaped": "%2e%2e%2fstore.sqlite",
    "far up": "..%2f..%2f..%2f..%2fetc%2fpasswd",
    "backslashes": "..%5c..%5cstore.sqlite",
    "twice escaped": "%252e%252e%252fstore.sqlite",
    "absolute": "/etc/passwd",
    "absolute, escaped": "%2fetc%2fpasswd",
    "the database": "store.sqlite",
    "NUL": "%00",
    "NUL within": "a%00.png",
    "no UTF-8": "%ff%fe",
    "half a character": "%ed%a0%80",
    "SQL": "%27%20OR%201=1%20--%20",
    "HTML": "%3Cscript%3Ealert(1)%3C/script%3E",
    "a line break": "a%0d%0aSet-Cookie:%20a=b",
    "a dot": ".",
    "long": "a" * 60_000,
}
NAMED = [
    ("GET", "/files/{}"),
    ("GET", "/v1/predictions/{}"),
    ("POST", "/v1/predictions/{}/cancel"),
    ("GET", "/v1/predictions/{}/stream/x"),
    ("GET", "/v1/models/{}"),
    ("GET", "/v1/models/a/{}"),
    ("GET", "/v1/models/bytedance/sdxl-lightning-4step/versions/{}"),
    ("POST", "/predictions/{}/cancel"),
    ("POST", "/cog/predictions/{}/cancel"),
    ("GET", fal_queue.QUEUE + "/requests/{}"),
    ("GET", fal_queue.QUEUE + "/requests/{}/status"),
    ("GET", fal_queue.QUEUE + "/requests/{}/status/stream"),
    ("PUT", fal_queue.QUEUE + "/requests/{}/cancel"),
    ("POST", "/fal/run/{}"),
    ("GET", "/runflow/v1/runs/{}"),
    ("POST", "/runflow/v1/runs/{}/cancel"),
    ("GET", "/synexa/v1/predictions/{}"),
    ("POST", "/client/v4/accounts/a/ai/run/{}"),
]


@pytest.mark.parametrize("trick", TRICKS.values(), ids=list(TRICKS))
def test_paths_as_ids(server: Running, trick: str) -> None:
    """To the letter: `http.client` tidies no path up. What is nowhere may be the page's 404."""
    where = urlsplit(server.url)
    connection = http.client.HTTPConnection(str(where.hostname), where.port, timeout=PATIENCE)
    with contextlib.closing(connection):
        for method, path in NAMED:
            connection.request(method, path.format(trick))
            answer = connection.getresponse()
            content = answer.read()
            assert 400 <= answer.status < 500, (path, answer.status)
            assert "json" in answer.headers["content-type"], (path, answer.headers)
            assert "set-cookie" not in answer.headers
            assert b"SQLite" not in content and b"root:" not in content
            assert isinstance(json.loads(content), dict)


OTHERS = {
    "replicate": ("GET", "/v1/predictions/{}", lambda c: c["detail"]),
    "replicate's cancel": ("POST", "/v1/predictions/{}/cancel", lambda c: c["detail"]),
    "cog": ("POST", "/predictions/{}/cancel", words_of_cog),
    "fal": ("GET", fal_queue.QUEUE + "/requests/{}", words_of_fal),
    "fal's status": ("GET", fal_queue.QUEUE + "/requests/{}/status", words_of_fal),
    "fal's events": ("GET", fal_queue.QUEUE + "/requests/{}/status/stream", words_of_fal),
    "fal's cancel": ("PUT", fal_queue.QUEUE + "/requests/{}/cancel", words_of_fal),
    "runflow": ("GET", "/runflow/v1/runs/{}", lambda c: c["message"]),
    "runflow's cancel": ("POST", "/runflow/v1/runs/{}/cancel", lambda c: c["message"]),
    "synexa": ("GET", "/synexa/v1/predictions/{}", lambda c: c["detail"]),
}
HOLDERS = {"alice": "sk-alice-0123456789", "bob": "sk-bob-0123456789"}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server that two people have keys for; what they ask for is not painted yet."""
    keys: Path = tmp_path_factory.mktemp("keys") / "keys"
    keys.write_text("".join(f"{name} {key}\n" for name, key in HOLDERS.items()))
    running = Running(FakeEngine(), api_keys=str(keys))
    running.engine.hold()
    yield running
    running.engine.release()
    running.server.stop()


@pytest.mark.parametrize("name", list(OTHERS))
def test_ids_of_others_are_as_good_as_none(guarded: Running, name: str) -> None:
    method, path, words = OTHERS[name]
    vendor = {"fal": "fal queue"}.get(name.split("'")[0], name.split("'")[0])
    alice, bob = ({"Authorization": f"Bearer {key}"} for key in HOLDERS.values())
    asked = PAINTERS[vendor]
    body = {**asked.body, "id": "hers"} if vendor == "cog" else asked.body
    with httpx.Client(base_url=guarded.url, timeout=PATIENCE) as client:
        begun = client.post(asked.path, json=body, headers={**alice, "Prefer": "respond-async"})
        assert begun.is_success, begun.text
        number = begun.json().get("request_id") or begun.json()["id"]
        his = client.request(method, path.format(number), headers=bob)
        none = client.request(method, path.format("0" * 32), headers=bob)
        assert (his.status_code, none.status_code) == (404, 404)
        assert words(his.json()) == words(none.json())
        keyless = client.request(method, path.format(number))
        assert keyless.status_code == 401
        if method == "GET" and "stream" not in path:
            hers = client.get(path.format(number), headers=alice)
            assert hers.status_code in (200, 202, 400)  # fal has no result yet


# What is no plain route


def test_frames_of_realtime(server: Running) -> None:
    address = server.url.replace("http", "ws", 1) + f"{fal.RUN}/realtime"
    deep: Any = 1
    for _ in range(300):
        deep = [deep]
    frames: list[str | bytes] = [
        "",
        "{",
        "[" * 100_000,
        '{"prompt": NaN}',
        '["a cat"]',
        json.dumps({"prompt": {"no": 1}}),
        b"\xc1",
        msgpack.packb([1]),
        msgpack.packb({1: 2}),
        msgpack.packb({"prompt": deep}),
        msgpack.packb({"prompt": "a", "seed": msgpack.Timestamp(1)}),
        msgpack.packb({"prompt": "a", "num_images": float("nan")}),
    ]
    with connect(address) as live:
        for frame in frames:
            live.send(frame)
            told = json.loads(live.recv(timeout=PATIENCE))
            assert (told["type"], told["error"]) == ("x-fal-error", "INVALID_INPUT"), frame
        for name, value, words in wrong_fields(fal.FalQuestion):
            live.send(json.dumps({**PROMPT, name: value}))
            told = json.loads(live.recv(timeout=PATIENCE))
            assert name in told["reason"] and words in told["reason"], told
        live.send(json.dumps(PROMPT))
        assert "images" in json.loads(live.recv(timeout=PATIENCE))
        live.send(b" " * (MAX_MESSAGE_BYTES + 1))
        with pytest.raises(ConnectionClosedError, match="1009"):
            live.recv(timeout=PATIENCE)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[" * 100_000, 400),
        (b"null", 400),
        (b'{"jsonrpc": "2.0", "id": 1, "method": 7}', 400),
        (b'{"jsonrpc": "1.0", "id": [], "method": "tools/list"}', 400),
    ],
)
def test_what_is_no_message_of_the_protocol(ask: httpx.Client, body: bytes, status: int) -> None:
    answer = post(ask, MCP, body)
    assert refused(MCP, answer, status)
    assert answer.json()["jsonrpc"] == "2.0"


def call(ask: httpx.Client, **arguments: Any) -> Any:
    """The result of the tool `paint`."""
    answer = post(ask, MCP, {**CALL, "params": {"name": "paint", "arguments": arguments}})
    (data,) = re.findall(r"^data: (\{.*)$", answer.text, re.MULTILINE)
    return json.loads(data)["result"]


def test_what_a_tool_cannot_take(ask: httpx.Client) -> None:
    for name, value in [
        ("prompt", 7),
        ("prompt", [[1]]),
        ("prompt", "a \u0000"),
        ("seed", "no such value"),
        ("seed", -1),
        ("num_inference_steps", 0),
        ("guidance_scale", {"no": 1}),
        ("width", 10**30),
        ("height", -1),
    ]:
        result = call(ask, **{**PROMPT, name: value})
        assert result["isError"] and name in result["content"][0]["text"], (name, value)
    assert call(ask, **PROMPT)["content"][0]["data"]


# What may go well later

AT_ONCE = ("native", "fal run", "fal proxy", "openai", "hugging face", "a1111", "cloudflare")


@every({name: PAINTERS[name] for name in AT_ONCE})
def test_what_may_go_well_later_says_when(
    server: Running, ask: httpx.Client, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server.engine, "fault", lambda request: OutOfMemory("Too little memory."))
    answer = post(ask, vendor, vendor.body)
    assert refused(vendor, answer, 503) == "Too little memory."
    assert int(answer.headers["Retry-After"]) > 0


# And after all of that


@every({**PAINTERS, "mcp": MCP})
def test_each_vendor_still_paints(server: Running, ask: httpx.Client, vendor: Vendor) -> None:
    answer = post(ask, vendor, vendor.body)
    assert answer.is_success, answer.text
    data = picture_in(ask, answer)
    if data is None and vendor.later is not None:
        address = vendor.later(answer.json())
        wait_for(lambda: not server.engine.running and picture_in(ask, ask.get(address)))
        data = picture_in(ask, ask.get(address))
    assert data is not None, answer.text
    seen = Image.open(io.BytesIO(data)).convert("RGB").getpixel((5, 5))
    assert all(abs(a - b) < 24 for a, b in zip(seen, color_of("a cat"), strict=True))


def picture_in(ask: httpx.Client, answer: httpx.Response) -> bytes | None:
    """The last picture of an answer: its body, base64 within it, or a file that it names."""
    if answer.headers["content-type"].startswith("image/"):
        return answer.content
    if names := re.findall(r"/files/\w+\.\w+", answer.text):
        return ask.get(names[-1]).content
    found = re.findall(r"(?:/9j/|iVBOR)[A-Za-z0-9+/=]+", answer.text)
    return base64.b64decode(found[-1]) if found else None
