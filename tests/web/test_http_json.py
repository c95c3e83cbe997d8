"""Bodies that do not arrive, and faults whose words stay in the log."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response

from lightning_demo.errors import LightningError
from lightning_demo.web import http_json
from lightning_demo.web.http_json import EchoResponse, answers_problems, read_json

Run = Callable[[Coroutine[Any, Any, Any]], Any]


def request(
    receive: Callable[[], Awaitable[Any]], media_type: bytes = b"application/json; charset=utf-8"
) -> Request:
    headers = [(b"content-type", media_type)]
    return Request({"type": "http", "method": "POST", "headers": headers}, receive)


def status(run: Run, asked: Request) -> int:
    """The HTTP status of the error that reading it is."""
    with pytest.raises(LightningError) as caught:
        run(read_json(asked))
    return caught.value.status


async def arriving() -> Mapping[str, Any]:
    return {"type": "http.request", "body": b'{"prompt": "x"}'}


def test_a_body_is_read(run: Run) -> None:
    assert run(read_json(request(arriving))) == {"prompt": "x"}
    assert run(read_json(request(arriving, b"Application/JSON"))) == {"prompt": "x"}
    assert status(run, request(arriving, b"text/plain")) == 415


def test_a_body_that_does_not_arrive_is_not_waited_for(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def slow() -> Mapping[str, Any]:
        await asyncio.sleep(3600)
        raise AssertionError

    async def broken_off() -> Mapping[str, Any]:
        return {"type": "http.disconnect"}

    monkeypatch.setattr(http_json, "BODY_SECONDS", 0.01)
    assert status(run, request(slow)) == 408
    assert status(run, request(broken_off)) == 408


def test_a_faults_words_stay_in_the_log(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    class Api:
        @answers_problems
        async def paint(self, asked: Request) -> Response:
            raise RuntimeError("key=/home/me/secret")

    answer = run(Api().paint(request(arriving)))
    assert answer.status_code == 500
    incident = json.loads(answer.body)["detail"].split("incident ")[1].rstrip(").")
    assert b"secret" not in answer.body
    assert incident in caplog.text and "secret" in caplog.text


def test_the_status_of_a_client_that_has_gone_has_a_title() -> None:
    assert json.loads(http_json.problem(499, "gone").body)["title"] == "Client Closed Request"


def test_what_a_client_has_sent_is_told_again_whatever_it_is() -> None:
    for sent in ({"a": "half of \ud83d"}, {"\udc00": ["häuschen", "🏠"]}, "\u2028"):
        assert json.loads(EchoResponse(sent).body) == sent
