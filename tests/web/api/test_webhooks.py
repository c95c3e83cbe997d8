"""Webhooks, received by a real server and checked by Replicate's own functions."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from typing import Any

import pytest
from replicate.webhook import InvalidSignatureError, Webhooks, WebhookSigningSecret

from lightning_demo.web.api import webhooks

from ..conftest import PATIENCE, Running, wait_for
from ..fakes import FakeEngine
from .clients import fetch, post
from .javascript import run_node

MODEL = "bytedance/sdxl-lightning-4step"


class Receiver:
    """Somebody's own server, which keeps what it is told and answers as the test says."""

    def __init__(self) -> None:
        self.told: Queue[tuple[dict[str, str], str]] = Queue()
        self.answers: list[int] = []  # the next ones; then 200
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                body = self.rfile.read(length).decode()
                status = receiver.answers.pop(0) if receiver.answers else 200
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                receiver.told.put((dict(self.headers) | {"path": self.path}, body))
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook?of=mine"

    def next(self) -> tuple[dict[str, str], dict[str, Any]]:
        """The next message: its headers, and what it says."""
        headers, body = self.told.get(timeout=PATIENCE)
        return headers, json.loads(body)

    def everything(self, served: Running) -> list[tuple[dict[str, str], str]]:
        """All that a server tells of what it is doing, to the end.

        A message says how the prediction is when it is sent: one of an output may say already that
        it has ended.
        """
        told = [self.told.get(timeout=PATIENCE)]
        wait_for(lambda: not served.server._api.webhooks._running)
        while not self.told.empty():
            told.append(self.told.get())
        return told

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture(scope="module")
def served() -> Iterator[Running]:
    server = Running(FakeEngine(), webhook_hosts="127.0.0.1, hooks.example:8443")
    yield server
    server.server.stop()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def predict(served: Running) -> Callable[..., Any]:
    """Creates a prediction whose client is told of it."""

    def create(**fields: Any) -> Any:
        body = {"input": {"prompt": "a cat", "num_inference_steps": 4}, **fields}
        return post(f"{served.url}/v1/models/{MODEL}/predictions", json=body)

    return create


@pytest.fixture
def secret(served: Running) -> WebhookSigningSecret:
    answer = fetch(f"{served.url}/v1/webhooks/default/secret")
    return WebhookSigningSecret(**answer.json())


def test_all_events_come_in_order_and_signed(served, predict, receiver, secret):
    prediction = predict(webhook=receiver.url).json()
    messages = receiver.everything(served)
    for headers, body in messages:
        Webhooks.validate(headers=headers, body=body, secret=secret, tolerance=60)
        assert headers["path"] == "/hook?of=mine"
    told = [json.loads(body) for _, body in messages]
    assert {each["id"] for each in told} == {prediction["id"]}
    assert told[-1]["status"] == "succeeded"
    assert fetch(told[-1]["output"][0]).status_code == 200
    assert len(told) >= 3  # start, output, completed; logs not more often than twice a second


@pytest.mark.parametrize(
    ("fields", "count"),
    [
        ({"webhook_events_filter": ["completed"]}, 1),
        ({"webhook_events_filter": ["output", "completed"]}, 2),
        ({"webhook_events_filter": ["start", "completed"]}, 2),
        ({"webhook_events_filter": ["completed"], "input": {"prompt": "poison"}}, 1),
    ],
)
def test_only_the_events_that_are_wanted(served, predict, receiver, fields, count):
    predict(webhook=receiver.url, **fields)
    told = [json.loads(body) for _, body in receiver.everything(served)]
    assert len(told) == count
    assert told[-1]["status"] == ("failed" if "input" in fields else "succeeded")


def test_the_older_name(served, predict, receiver):
    predict(webhook_completed=receiver.url)
    assert len(receiver.everything(served)) == 1


def test_cogs(served, receiver):
    body = {"id": "mine", "webhook": receiver.url, "webhook_events_filter": ["completed"]}
    assert post(f"{served.url}/predictions", json=body).status_code == 200
    _, told = receiver.next()
    assert (told["id"], told["status"]) == ("mine", "succeeded")
    assert told["output"][0].startswith("data:image/png;base64,")


def test_a_host_that_fails_is_told_of_the_end_again(predict, receiver, monkeypatch):
    monkeypatch.setattr(webhooks, "RETRY_SECONDS", (0.0, 0.0))
    receiver.answers = [503, 429, 500, 200]
    predict(webhook=receiver.url, webhook_events_filter=["completed"])
    attempts = [receiver.next()[0] for _ in range(3)]
    assert len({headers["Webhook-Id"] for headers in attempts}) == 1
    # Not a fourth time: the answer that was left is the next prediction's.
    predict(webhook=receiver.url, webhook_events_filter=["completed"])
    assert receiver.next()[0]["Webhook-Id"] != attempts[0]["Webhook-Id"]


def test_a_redirect_is_not_followed_nor_a_refusal_asked_again(predict, receiver, monkeypatch):
    monkeypatch.setattr(webhooks, "RETRY_SECONDS", (0.0, 0.0))
    receiver.answers = [307, 404]
    for _ in range(2):
        predict(webhook=receiver.url, webhook_events_filter=["completed"])
        assert receiver.next()[0]["path"] == "/hook?of=mine"
    predict(webhook_completed=receiver.url.replace("/hook", "/last"))
    assert receiver.next()[0]["path"] == "/last?of=mine"


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/",
        "http://127.0.0.1@example.org/",
        "http://127.0.0.1:80@example.org/",
        "http://example.org#@127.0.0.1/",
        "http://example.org\\@127.0.0.1/",
        "http://127.0.0.1.example.org/",
        "http://127.1/",
        "http://[::1]/",
        "http://hooks.example/",
        "https://hooks.example:443/",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "//127.0.0.1/",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1/\r\nX-Evil: yes",
        "http://127.0.0.1/ü",
        "http://[127.0.0.1/",
        "",
    ],
)
def test_nothing_is_sent_elsewhere(served, predict, url):
    before = len(served.engine.works)
    answer = predict(webhook=url)
    if url:  # none is none
        assert answer.status_code == 422
        assert answer.json()["invalid_fields"][0]["field"] == "webhook"
        assert len(served.engine.works) == before


def test_hosts_may_be_named_with_a_port(served):
    parse = served.server._api.webhooks.parse
    assert parse("https://hooks.example:8443/a?b=c", ["start"]).events == {"start"}
    assert len(parse("https://HOOKS.example:8443", None).events) == 4


def test_unknown_events_are_refused(predict, receiver):
    answer = predict(webhook=receiver.url, webhook_events_filter=["end"])
    assert answer.status_code == 422
    assert "webhook_events_filter" in answer.json()["detail"]


def test_there_are_none_unless_hosts_are_allowed(running, receiver):
    body = {"input": {}, "webhook": receiver.url}
    answer = post(f"{running.url}/v1/models/{MODEL}/predictions", json=body)
    assert answer.status_code == 422
    assert "--webhook-hosts" in answer.json()["detail"]


def test_each_client_has_a_secret_of_its_own_that_stays(tmp_path):
    from lightning_demo.settings import Settings
    from lightning_demo.web.api.store import Store
    from lightning_demo.web.api.webhooks import Webhooks as Ours

    secrets = []
    for _ in range(2):
        store = Store(tmp_path, 1, 1)
        ours = Ours(store, Settings())
        secrets.append((ours.secret("key:alice"), ours.secret("key:bob")))
        store.close()
    assert secrets[0] == secrets[1]
    assert secrets[0][0] != secrets[0][1]
    assert secrets[0][0].startswith("whsec_")


def test_a_changed_message_is_noticed(predict, receiver, secret):
    predict(webhook=receiver.url, webhook_events_filter=["completed"])
    headers, body = receiver.told.get(timeout=PATIENCE)
    with pytest.raises(InvalidSignatureError):
        Webhooks.validate(headers=headers, body=body.replace("cat", "dog"), secret=secret)


def test_the_example_of_standard_webhooks():
    """The one in its specification."""
    import base64

    headers = webhooks.signed(
        base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )
    assert headers["Webhook-Signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_javascript(predict, receiver, secret, tmp_path):
    predict(webhook=receiver.url, webhook_events_filter=["completed"])
    headers, body = receiver.told.get(timeout=PATIENCE)
    names = {name.lower(): value for name, value in headers.items()}
    program = """
    import { validateWebhook } from "replicate";
    const { headers, body, secret } = JSON.parse(process.env.TOLD);
    const said = await validateWebhook({ headers, body }, secret);
    const changed = await validateWebhook({ headers, body: body + " " }, secret);
    console.log(JSON.stringify([said, changed]));
    """
    told = json.dumps({"headers": names, "body": body, "secret": secret.key})
    assert json.loads(run_node(tmp_path, "replicate", program, TOLD=told)) == [True, False]


def test_the_server_ends_though_a_host_does_not_answer(start, receiver, monkeypatch):
    monkeypatch.setattr(webhooks, "RETRY_SECONDS", (1_000.0,))
    server = start(webhook_hosts="127.0.0.1")
    receiver.answers = [503]
    body = {"input": {"prompt": "a cat"}, "webhook": receiver.url}
    body["webhook_events_filter"] = ["completed"]
    post(f"{server.url}/v1/models/{MODEL}/predictions", json=body)
    receiver.next()
    server.server.stop()
    assert not server.server._api.webhooks._running
