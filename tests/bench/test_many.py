"""The peers, and what is counted of people who type; at real servers: test_at_servers.py."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import uvicorn

from lightning_demo.bench import live
from lightning_demo.bench.clients import FetchPage, picture_url
from lightning_demo.bench.peers.fifo import application
from lightning_demo.bench.peers.gradio_stream import Painter
from lightning_demo.bench.peers.miniature import Miniature
from lightning_demo.bench.score import KeyPress, Picture, Trace
from lightning_demo.bench.servers import OURS, PAGES, PEERS
from lightning_demo.cli import main

STEPS = 2


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
