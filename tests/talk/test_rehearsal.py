"""`doctor --talk`: green when all is well, else what is to be mended; and nothing asks outside."""

from __future__ import annotations

import socket
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lightning_demo import reachable
from lightning_demo.bench import first_minute
from lightning_demo.cli import main
from lightning_demo.engine.latency_model import LatencyModel
from lightning_demo.errors import CheckpointError
from lightning_demo.schemas import ROW_BUCKETS
from lightning_demo.talk import rehearsal
from lightning_demo.talk.laptop import Power
from lightning_demo.talk.offline import without_network
from lightning_demo.web.server import Server

from ..web.conftest import Running
from ..web.fakes import FakeEngine

HERE = ["doctor", "--talk", "--model", "miniature", "--port", "0"]


@pytest.fixture
def laptop(monkeypatch: pytest.MonkeyPatch) -> Any:
    """One on which all is well, until the test says otherwise."""
    monkeypatch.setenv("LIGHTNING_COMPILE", "no")
    monkeypatch.setattr(rehearsal, "power", lambda: Power(True, 90))
    monkeypatch.setattr(rehearsal, "screens", lambda: ["eDP-1 1920 x 1080", "HDMI-1 1920 x 1080"])
    monkeypatch.setattr(rehearsal, "firewall", lambda port: "")
    monkeypatch.setattr(rehearsal, "PATIENT", 1e6)  # what a moment was slow at decides nothing
    monkeypatch.setattr(reachable, "addresses", lambda: ("192.168.1.7",))
    return monkeypatch


def test_a_rehearsal_with_the_real_model_ends_green(
    laptop: Any, capsys: pytest.CaptureFixture[str]
):
    assert main([*HERE, "--host", "0.0.0.0", "--phones", "9"]) == 0  # noqa: S104
    output = capsys.readouterr().out
    for line in (
        "ok  weights    Miniature for 4 steps",
        "ok  pages      the page, the wall and the phones' page open",
        "ok  server     ready after",
        "ok  waiting    you: ",
        "ok  waiting    8 phones that paint at once: ",
        "--  seats      8 of 9 phones paint at once, the last one's turn comes within 90 s",
        "ok  address    http://192.168.1.7:7860",
        "ok  disk",
        "ok  power      plugged in, battery at 90%",
        "ok  screens    eDP-1 1920 x 1080, HDMI-1 1920 x 1080",
        "ok  network    off, and nothing asked for it",
    ):
        assert line in output, line
    assert "▀" in output, "a QR code"
    assert output.endswith("Ready for the talk.\n")


def test_the_rehearsed_server_has_the_talks_safety_checker(
    laptop: Any, capsys: pytest.CaptureFixture[str]
):
    assert main([*HERE, "--safety-checker", "no such name!"]) == 1
    assert "  * server: safety_checker" in capsys.readouterr().out


@pytest.fixture
def quick(laptop: Any) -> Iterator[Callable[..., Running]]:
    """The demo runs already, on plain colours, so that nothing has to be loaded."""
    started: list[Running] = []

    def start(**settings: Any) -> Running:
        started.append(Running(FakeEngine(), **settings))
        return started[-1]

    yield start
    for each in started:
        each.server.stop()


def rehearse(running: Running, *more: str) -> int:
    port = running.url.rpartition(":")[2]
    return main(["doctor", "--talk", "--model", "miniature", "--port", port, *more])


def test_what_is_to_be_mended_is_listed(
    quick: Callable[..., Running], laptop: Any, capsys: pytest.CaptureFixture[str]
):
    running = quick(stage=True)
    assert rehearse(running) == 0
    output = capsys.readouterr().out
    assert "the demo runs there already" in output and "server     warm" in output
    assert "enough for one laptop and a projector" in output
    assert "not simulated" in output

    laptop.setattr(rehearsal, "power", lambda: Power(False, 12))
    laptop.setattr(rehearsal, "DISK_BYTES", 2**60)
    laptop.setattr(rehearsal, "screens", lambda: ["VGA-1 800 x 600"])

    def damaged(repository: Any, file: str, **options: Any) -> None:
        raise CheckpointError(f"{file} is damaged.")

    laptop.setattr("lightning_demo.model.hub.files.find", damaged)
    assert rehearse(running, "--phones", "30") == 1
    output = capsys.readouterr().out
    assert "server: /audience is not there: start the demo with --audience" in output
    _, _, mend = output.partition("thing(s) to mend before the talk:")
    for words in ("weights: fetch them", "address: start with --host", "plug it in", "disk: free"):
        assert words in mend, words
    assert "600 lines are few" in output and "one so far" in output
    assert "Ready" not in output


def test_another_program_at_the_port(laptop: Any, capsys: pytest.CaptureFixture[str]):
    laptop.setattr(first_minute, "ANSWER_SECONDS", 0.2)
    laptop.setattr(rehearsal, "_weights", lambda spec: iter(()))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        arguments = [*HERE[:-1], str(taken.getsockname()[1])]
        laptop.setattr(first_minute, "LOAD_SECONDS", 0.0)
        assert main(arguments) == 1
    output = capsys.readouterr().out
    assert "something else is there" in output
    assert "has not loaded within" in output or "does not answer" in output


def test_a_demo_that_asks_for_a_login_says_so(
    quick: Callable[..., Running], capsys: pytest.CaptureFixture[str]
):
    assert rehearse(quick(auth="ann:pw", stage=True)) == 1
    assert "asks for a login" in capsys.readouterr().out


def test_a_demo_without_a_wall_says_so(
    quick: Callable[..., Running], capsys: pytest.CaptureFixture[str]
):
    assert rehearse(quick()) == 1
    assert "server: /stage is not there: start the demo with --stage" in capsys.readouterr().out


def test_phones_that_wait_long_and_yet_give_way(capsys: pytest.CaptureFixture[str]):
    """On a slow device, by its costs alone: the presenter waits for no phone, phones do."""
    slow = LatencyModel()
    for kind, cost in (("step", 0.5), ("decoder", 0.1), ("preview", 0.05)):
        for rows in ROW_BUCKETS:
            slow.calibrate(kind, (256, 256), rows, rows * cost)
    demo = first_minute.RunningDemo("127.0.0.1", 0, https=False, audience=True)
    demo._latencies = slow
    times = first_minute.Times(1.0, 3.0, 2.2, 0.1, 0.01, (256, 256), 4, False)
    waits = demo.forecast(times, 16)
    assert waits is not None and waits.phones is not None
    assert waits.presenter[0] < 1.5 * waits.alone[0] < waits.phones[0]
    you, hall = rehearsal._waiting(waits, 16)
    assert not you.advice and "--audience-seats 8" in hall.advice
    assert demo.forecast(times, 0) == first_minute.Waits(waits.alone, waits.alone, None)


@pytest.mark.parametrize("number", ["-1", "1001"])
def test_a_number_of_phones_out_of_range(number: str, capsys: pytest.CaptureFixture[str]):
    assert main([*HERE, "--phones", number]) == 2
    assert "phones: must be a whole number from 0 to 1000" in capsys.readouterr().err


def test_phones_are_for_a_rehearsal(capsys: pytest.CaptureFixture[str]):
    assert main(["doctor", "--phones", "3"]) == 2
    assert "give --talk, too" in capsys.readouterr().err


def test_without_the_network_only_this_machine_is_there():
    with without_network() as tried:
        for host in ("huggingface.co", "localhost.example", "8.8.8.8"):
            with pytest.raises(OSError, match="the network is off"):
                socket.create_connection((host, 443), 1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
            assert line.connect_ex(("203.0.113.1", 53)) != 0
        with socket.create_server(("127.0.0.1", 0)) as server:
            socket.create_connection(("localhost", server.getsockname()[1]), 5).close()
    assert tried == ["huggingface.co", "localhost.example", "8.8.8.8", "203.0.113.1"]
    assert socket.getaddrinfo("127.0.0.1", 80)


def test_the_whole_demo_works_without_any_name(monkeypatch: pytest.MonkeyPatch):
    """Pages, their files, the wall and a picture, while every name of others fails."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with without_network() as tried:
        running = Running(FakeEngine(), stage=True, attract=60)
        try:
            assert isinstance(running.server, Server)
            for path in ("/", "/stage", "/web/live.js", "/web/stage.js", "/docs", "/healthz"):
                with urllib.request.urlopen(running.url + path, timeout=20) as answer:  # noqa: S310
                    assert answer.status == 200 and answer.read(), path
            with running.socket(proxy=None) as tab:
                tab.ask(1)
                assert tab.final(1)[-1]["final"]
        finally:
            running.server.stop()
    assert tried == []
