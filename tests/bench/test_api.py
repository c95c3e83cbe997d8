"""Programs ask real servers for pictures, few and briefly; no figure decides a test."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import numpy as np
import pytest

from lightning_demo.bench import api
from lightning_demo.bench.api_clients import (
    Answer,
    Question,
    Route,
    ask_at_once,
    ask_in_turn,
    levels_apart,
)
from lightning_demo.bench.servers import OURS
from lightning_demo.cli import main
from lightning_demo.images import encode_jpeg

GREY = np.full((8, 8, 3), 100, np.uint8)
ROUTE = Route("/paint", "image/jpeg")


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("forked_servers")
def test_programs_ask_ours_and_the_plain_server(capsys: pytest.CaptureFixture[str]):
    assert main(["bench", "api", "--fast", "--threads", "1"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert list(result["overhead_ms"]) == [OURS, f"{OURS}, kept", api.PEER]
    for found in result["overhead_ms"].values():
        assert (found["requests"], found["lost"]) == (4, 0)
        assert 0 < found["p50"] <= found["p95"] and found["picture"]["p50"] > 0
    assert list(result["programs"]) == ["1", "3"]
    for programs, found in result["programs"].items():
        assert found["pictures"] == int(programs) * api.PICTURES
        assert found["lost"] == {OURS: 0, api.PEER: 0}
        assert found["wrong"] == 0 and 0 <= found["again_the_same_bytes"] <= found["again"]
        rates = found["pictures_per_second"]
        assert found["speedup"] == pytest.approx(rates[OURS] / rates[api.PEER], abs=0.01)
        assert found["rows_in_a_call"] >= 1
    assert {check["status"] for check in result["checks"]} == {"pass"}


class Strange(BaseHTTPRequestHandler):
    """A server that refuses odd seeds, and hangs up at 4."""

    protocol_version = "HTTP/1.1"
    connections: ClassVar[set[object]] = set()

    def do_POST(self) -> None:
        self.connections.add(self.client_address)
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if question["seed"] == 4:
            self.close_connection = True
            return
        content = b"odd" if question["seed"] % 2 else encode_jpeg(GREY)
        self.send_response(503 if question["seed"] % 2 else 200)
        self.send_header("Server-Timing", "steps;dur=1.5, total;dur=2.25")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


@pytest.fixture
def strange() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Strange) as server:
        Strange.connections.clear()
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def test_every_question_is_answered_for_or_says_why_not(strange: str):
    asked = [Question("a cat", 1, seed) for seed in (0, 1, 2, 4, 6)]
    answers = ask_in_turn(strange, ROUTE, asked)
    assert [answer.question for answer in answers] == asked
    assert [bool(answer.data) for answer in answers] == [True, False, True, False, True]
    assert answers[1].problem == "503: odd"
    assert answers[3].problem.startswith("RemoteDisconnected")
    assert len(Strange.connections) == 2, "it is opened again where it was closed"
    whole = answers[0]
    assert whole.own_ms == 2.25 and whole.overhead_ms == whole.ms - 2.25


def test_each_program_has_a_connection_of_its_own(strange: str):
    asked = [[Question("a cat", 1, 2 * n), Question("a cat", 1, 100)] for n in (3, 4, 5)]
    seconds, answers = ask_at_once(strange, ROUTE, asked)
    assert seconds > 0 and all(answer.data for answer in answers)
    assert [answer.question for answer in answers] == [each for own in asked for each in own]
    assert len(Strange.connections) == 3


def answer(seed: int, pixels: np.ndarray | None) -> Answer:
    data = b"" if pixels is None else encode_jpeg(pixels)
    return Answer(Question("a cat", 1, seed), 10.0, data=data, problem="" if data else "503: no")


def test_pictures_are_told_apart():
    grey, same, other = (answer(0, GREY + shift) for shift in (0, 0, 60))
    assert levels_apart(grey, same) == 0
    assert levels_apart(grey, other) == pytest.approx(60, abs=1)
    assert levels_apart(grey, answer(0, GREY[:4])) == float("inf")


def test_what_is_lost_or_wrong_fails_the_command():
    good, other, none = answer(0, GREY), answer(1, GREY + 60), answer(2, None)
    crowd = api.Crowd(
        3,
        seconds={OURS: [1.0], api.PEER: [2.0]},
        answers={OURS: [good, good, none], api.PEER: [good, other, good]},
        alone=[(good, good), (good, other)],
    )
    found = crowd.figures()
    assert found["pictures_per_second"] == {OURS: 3.0, api.PEER: 1.5} and found["speedup"] == 2
    assert (found["lost"], found["wrong"]) == ({OURS: 1, api.PEER: 0}, 2)
    assert (found["again"], found["again_the_same_bytes"]) == (2, 1)
    assert found["problems"] == ["503: no"]
    assert [check["status"] for check in api._checks({"3": found})] == ["fail", "fail"]
