"""People typing at real servers, few and briefly; no figure decides a test."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from PIL import Image

from lightning_demo.bench import live, many
from lightning_demo.bench import servers as programs
from lightning_demo.bench.clients import FetchPage, picture_url
from lightning_demo.bench.peers.fifo import application
from lightning_demo.bench.peers.gradio_stream import Painter
from lightning_demo.bench.peers.miniature import Miniature
from lightning_demo.bench.score import KeyPress, Picture, Trace
from lightning_demo.bench.servers import OURS, PAGES, PEERS, Server, serve_all
from lightning_demo.bench.typists import Key, Typist
from lightning_demo.cli import main

from ..processes import FORKS, ForkedPopen

STEPS = 2
FEW = ["--num-inference-steps", str(STEPS), "--threads", "1"]


@pytest.fixture(scope="module")
def servers() -> Iterator[list[Server]]:
    """Ours and a peer, started once."""
    with pytest.MonkeyPatch.context() as patch:
        if FORKS:
            patch.setattr(programs, "Popen", ForkedPopen)
        with serve_all((OURS, "always_last"), STEPS, 1) as started:
            yield started


@pytest.fixture
def quick(servers: list[Server], monkeypatch: pytest.MonkeyPatch) -> None:
    """Benchmarks find the servers running, and people type two keys."""

    @contextmanager
    def running(names: Sequence[str], steps: int, threads: int) -> Iterator[list[Server]]:
        assert (steps, threads) == (STEPS, 1)
        yield [each for each in servers if each.name in names]

    def short(number: int, visit: int = 0, seconds: float = 0) -> Typist:
        keys = (Key(0.0, "a", False), Key(0.15, "a cat", True))
        return Typist(keys, seed=50 + number + 10 * visit)

    monkeypatch.setattr(many, "PATIENCE", 200.0)  # a busy machine loses nothing
    monkeypatch.setattr(many, "typist", short)
    monkeypatch.setattr(live, "steady_typist", short)
    monkeypatch.setattr(live, "BARE_REPEATS", 2)
    for bench in (many, live):
        monkeypatch.setattr(bench, "serve_all", running)


def last_line(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return json.loads(capsys.readouterr().out.splitlines()[-1])


@pytest.mark.usefixtures("quick")
def test_two_type_at_ours_and_at_a_peer(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    files = ["--out", str(tmp_path / "many.json"), "--plot", str(tmp_path / "many.png")]
    assert main(["bench", "many", "--users", "1", "2", "--peers", "always_last", *FEW, *files]) == 0
    result = last_line(capsys)
    assert list(result["peers"]) == ["always_last"]
    assert [run["users"] for run in result["runs"]] == [1, 2]
    for side in (result, result["peers"]["always_last"]):
        assert (side["users"], side["waits"], side["lost_finals"]) == (2, 2, 0)
        assert "problems" not in side
        times = side["last_key_to_final_ms"]
        assert times["p50"] <= times["p95"] <= times["max"]
        assert 0 <= side["wasted_steps"] < side["steps"]
    assert result["peers"]["always_last"]["steps"] % STEPS == 0
    assert "speedup_p95_vs_best_peer" in result
    assert json.loads((tmp_path / "many.json").read_text()) == result
    with Image.open(tmp_path / "many.png") as image:
        assert image.width > 500


@pytest.mark.usefixtures("quick")
def test_bench_live_types_at_both_servers(capsys: pytest.CaptureFixture[str]):
    assert main(["bench", "live", "--seeds", "1", *FEW]) == 0
    result = last_line(capsys)
    ours = {
        *("bare_generation_ms", "first_paint_ms", "last_key_to_final_ms"),
        *("pictures_while_typing", "last_key_to_final_ratio_p50", "first_paint_ratio_p50"),
    }
    assert result["baseline"].keys() == {"name", *ours}
    assert result.keys() > {*ours, "speedup_first_paint_p50", "speedup_last_key_to_final_p50"}
    assert result["baseline"]["name"] == "always_last"
    ratio = result["last_key_to_final_ms"]["p50"] / result["bare_generation_ms"]["p50"]
    assert result["last_key_to_final_ratio_p50"] == pytest.approx(ratio, abs=0.01)


def test_pictures_while_typing_are_texts_seen_before_the_last_key():
    presses = [KeyPress(at, False, at) for at in (0.0, 0.1, 0.2)]
    pictures = [
        Picture(0.05, 0, 1, 4, final=False),
        Picture(0.15, 0, 4, 4, final=True),
        Picture(0.25, 2, 4, 4, final=True),
    ]
    assert live.pictures_while_typing(Trace(presses, pictures, 0.3)) == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--users", "0"], "--users: must be a whole number from 1 to 200"),
        (["--users", "4", "5000"], "--users: must be a whole number from 1 to 200"),
        (["--users", "many"], "--users: must be a whole number from 1 to 200"),
        (["--seconds", "0"], "--seconds: must be a whole number from 1 to 600"),
        (["--peers", "nobody"], "--peers: invalid choice: 'nobody'"),
    ],
)
def test_wrong_options_are_named(
    options: list[str], words: str, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit) as ended:
        main(["bench", "many", *options])
    assert ended.value.code == 2
    assert words in capsys.readouterr().err


def test_the_command_line_knows_every_peer(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main(["bench", "many", "--help"])
    assert ", ".join(PEERS) in capsys.readouterr().out
    assert set(PAGES) == {OURS, *PEERS}


@pytest.fixture(scope="module")
def model() -> Miniature:
    """What the peers paint with."""
    return Miniature(1, STEPS)


def test_the_streaming_peer_ends_with_the_pipelines_picture(model: Miniature):
    wanted = model.paint("a red house", 5)
    pictures = list(Painter(model).paint("a red house", 5))
    assert len(pictures) == STEPS
    assert pictures[-1].tobytes() == wanted.tobytes()


def test_fifo_paints_every_key_in_order(model: Miniature, run: Any):
    before = model.taken

    async def visit() -> Trace:
        config = uvicorn.Config(application(model), port=0, log_level="warning", ws="none")
        server = uvicorn.Server(config)
        serving = asyncio.ensure_future(server.serve())
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]

        page = FetchPage(f"http://127.0.0.1:{port}/", 5, STEPS)
        await page.open()
        for key, text in enumerate(("a", "a cat")):
            await page.press(key, text)
            await page.finished(key)
        await page.close()
        server.should_exit = True
        await serving
        return page.trace

    trace = run(visit())
    assert [(picture.key, picture.final) for picture in trace.pictures] == [(0, True), (1, True)]
    assert trace.problems == []
    assert model.taken - before == 2 * STEPS


def test_a_generators_later_messages_tell_only_what_changed():
    def message(picture: object) -> dict[str, object]:
        return {"output": {"data": [picture]}}

    first = picture_url(message({"path": "/a", "url": "http://here/a"}), "")
    assert first == "http://here/a"
    edits = [["replace", ["path"], "/b"], ["replace", ["url"], "http://here/b"]]
    assert picture_url(message(edits), first) == "http://here/b"
    assert picture_url(message([]), first) == first
