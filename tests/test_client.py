"""`generate --server`: a server that runs already paints."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from lightning_demo.cli import main
from lightning_demo.client import Client
from lightning_demo.errors import EngineUnavailable, InvalidSetting, OutOfMemory

from .web.conftest import Running
from .web.fakes import FakeEngine

KEY = "sk-alice-0123456789"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    keys = tmp_path_factory.mktemp("keys") / "keys"
    keys.write_text(f"alice {KEY}\n")
    running = Running(FakeEngine(), api_keys=str(keys))
    yield running
    running.server.stop()


def test_pictures_lines_and_what_was_changed(
    running: Running,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LIGHTNING_API_KEY", KEY)
    options = ["--server", running.url, "--seed", "7", "--num-inference-steps", "12"]
    assert main(["generate", "a cat", "a dog", *options, "--out", str(tmp_path)]) == 0
    reports = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [report["prompt"] for report in reports] == ["a cat", "a dog"]
    for report in reports:
        assert (report["seed"], report["model"]) == (7, "miniature")
        assert report["notes"][0].startswith("num_inference_steps: 12 became 8")
        assert json.loads(Image.open(report["file"]).text["generation"])["seed"] == 7


def test_what_is_wrong_is_told_in_the_servers_words(
    running: Running, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIGHTNING_API_KEY", KEY)
    assert main(["generate", "a cat", "--server", running.url, "--seed", "-5"]) == 2
    assert "seed: must be a whole number from 0" in capsys.readouterr().err
    monkeypatch.delenv("LIGHTNING_API_KEY")
    assert main(["generate", "a cat", "--server", running.url]) == 1
    assert "Send an API key" in capsys.readouterr().err


def test_faults_of_the_server_and_of_the_way_there(running: Running) -> None:
    def fails(url: str, words: str) -> None:
        with Client(url, KEY) as client, pytest.raises(EngineUnavailable, match=words):
            client.paint({"prompt": "a"})

    running.engine.fault = lambda request: OutOfMemory("Too little memory.")
    fails(running.url, "Too little memory.")
    running.engine.fault = lambda request: None
    fails(running.url + "/nowhere", "Not Found")
    fails("http://127.0.0.1:9", "does not answer")
    with pytest.raises(InvalidSetting, match="^server: "):
        Client("127.0.0.1:7860")
