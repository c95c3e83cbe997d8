"""What Prometheus fetches, and what a page that watches is told."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from gradio_client import Client
from prometheus_client.parser import text_string_to_metric_families

from lightning_demo.engine.metrics import Metrics
from lightning_demo.settings import Settings
from lightning_demo.web import service
from lightning_demo.web.service import Service

from .conftest import Running, wait_for
from .fakes import FakeEngine

DOCUMENT = Path(__file__).parents[2] / "docs" / "hosting.md"
SUMMARY = Metrics().summary()


def value(name: str, text: str, **labels: str) -> float:
    """The value of the one sample of this name and these labels."""
    families = text_string_to_metric_families(text)
    samples = [s for family in families for s in family.samples]
    (found,) = [s.value for s in samples if (s.name, s.labels) == (name, labels)]
    return found


def test_prometheus_can_fetch_them(start: Callable[..., Running]) -> None:
    running = start()
    answer = httpx.get(f"{running.url}/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert answer.headers["cache-control"] == "no-store"
    assert value("lightning_sessions", answer.text) == 0
    with running.socket() as tab:
        tab.receive()
        assert value("lightning_sessions", httpx.get(f"{running.url}/metrics").text) == 1
    wait_for(
        lambda: value("lightning_sessions", httpx.get(f"{running.url}/metrics").text) == 0,
    )


def test_the_document_names_all_of_them_and_no_others() -> None:
    section = DOCUMENT.read_text(encoding="utf-8").split("## Watching it")[1].split("```")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")][1:]
    named = [f"lightning_{name}" for row in rows for name in re.findall("`(.+?)`", row)]
    families = text_string_to_metric_families(Metrics().exposition().decode())
    exposed = [f.name + "_total" * (f.type == "counter") for f in families]
    assert sorted(named) == sorted(name for name in exposed if not name.endswith("_created"))


def test_it_tells_what_the_engine_measured_and_how_long_its_line_is_now() -> None:
    engine, metrics = FakeEngine(), Metrics()
    metrics.stepped(["page"] * 3, 0.5)
    engine.say(waiting=7)
    text = Service(engine, Settings(), metrics).exposition().decode()
    assert value("lightning_steps_total", text, origin="page") == 3
    assert value("lightning_waiting", text) == 7


def test_they_can_only_be_read_and_under_our_own_name(running: Running) -> None:
    assert httpx.post(f"{running.url}/metrics").status_code == 405
    foreign = {"Host": "evil.example"}
    assert httpx.get(f"{running.url}/metrics", headers=foreign).status_code == 403


def test_only_a_page_that_watches_is_told_the_load(
    start: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "LOAD_SECONDS", 3600.0)
    running = start()

    def until_device(name: str) -> list[str]:
        running.engine.say(device=name)
        received = [tab.receive()]
        while received[-1].get("device") != name:
            received.append(tab.receive())
        return [message["type"] for message in received]

    with running.socket() as tab:
        tab.receive()
        assert until_device("one") == ["status"]
        tab.say({"watch": True})
        assert tab.receive() == {**SUMMARY, "type": "load", "sessions": 1, "engines": []}
        assert until_device("two") == ["status"], "not again before its time"
    monkeypatch.setattr(service, "LOAD_SECONDS", 0.0)
    with running.socket() as tab:
        tab.say({"watch": True})
        for _ in range(2):
            tab.until(lambda message: message["type"] == "load")
        tab.say({"watch": False})
        tab.ask(1)
        tab.final(1)  # and so that has been received
        assert "load" not in until_device("three")


@pytest.fixture
def client(running: Running) -> Iterator[Client]:
    client = Client(running.url, verbose=False, analytics_enabled=False)
    yield client
    client.close()


def test_over_events_the_status_carries_the_load(client: Client) -> None:
    def status() -> dict[str, Any]:
        return json.loads(client.predict(api_name="/status"))

    assert "load" not in status()
    client.predict('{"watch": true}', api_name="/live")
    assert status()["load"].keys() == {*SUMMARY, "type", "engines"}
    client.predict('{"watch": false}', api_name="/live")
    assert "load" not in status()
