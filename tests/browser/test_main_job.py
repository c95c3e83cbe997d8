"""The main job, nothing replaced: `python app.py`, the shipped miniature, a real browser."""

from __future__ import annotations

import base64
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import pytest
from PIL import Image

from .conftest import NO_SOCKET, PHONE, Visit

ROOT = Path(__file__).parents[2]
SENTENCE = "a red house by the sea at sunset"
TYPED = 4  # keys
Open = Callable[..., Visit]


@pytest.fixture(scope="module")
def server() -> Iterator[SimpleNamespace]:
    """The demo as a newcomer starts it, on any free port."""
    options = ["--port", "0", "--model", "miniature"]
    with subprocess.Popen(  # noqa: S603
        [sys.executable, "app.py", *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    ) as child:
        try:
            assert child.stdout is not None
            line = child.stdout.readline()
            assert line.startswith("Open http://127.0.0.1:"), line
            yield SimpleNamespace(url=line.split()[1].rstrip("/"))
            child.send_signal(signal.SIGTERM)
            assert child.wait(20) == 0
        finally:
            child.kill()


def wait_ready(server: SimpleNamespace) -> None:
    """Waits for the model; a machine with more to do may take longer than a page is waited for."""
    while True:
        try:
            urlopen(f"{server.url}/readyz").close()  # noqa: S310
            return
        except HTTPError as error:
            assert error.code == 503 and b"failed" not in error.read()
            error.close()
            time.sleep(0.05)


def png(server: SimpleNamespace, request: dict) -> np.ndarray:
    """The lossless picture of a request, as the download button fetches it."""
    body = json.dumps(request).encode()
    header = {"Content-Type": "application/json"}
    ask = Request(f"{server.url}/picture", body, header)  # noqa: S310
    with urlopen(ask) as answer:  # noqa: S310
        return np.asarray(Image.open(io.BytesIO(answer.read())).convert("RGB")).astype(int)


def canvas(tab: Visit, width: int, height: int) -> np.ndarray:
    """What is painted, at the picture's own size."""
    # As text, in which a byte is a letter or so: Playwright writes and reads numbers one by one.
    values = tab.page.evaluate(
        "([width, height]) => { const copy = new OffscreenCanvas(width, height);"
        "const context = copy.getContext('2d'); context.imageSmoothingQuality = 'high';"
        "context.drawImage(document.getElementById('canvas'), 0, 0, width, height);"
        "const { data } = context.getImageData(0, 0, width, height);"
        "return btoa(Array.from(data, (value) => String.fromCharCode(value)).join('')); }",
        [width, height],
    )
    values = np.frombuffer(base64.b64decode(values), np.uint8)
    return values.reshape(height, width, 4)[..., :3].astype(int)


@pytest.mark.parametrize(
    ("transport", "init"), [("socket", None), ("events", NO_SOCKET)], ids=["socket", "events"]
)
def test_what_is_typed_is_what_is_painted(
    server: SimpleNamespace, visit: Open, transport: str, init: str | None
):
    """Where no socket opens, frames travel by events."""
    tab = visit(server, init=init)
    tab.type(SENTENCE, keys=12)  # perhaps while the model still loads
    wait_ready(server)
    # Not the first picture that has these words: the page opens with them.
    assert tab.wait_answered()["prompt"] == SENTENCE
    assert tab.page.evaluate("lightning.transport.name") == transport
    order = [(frame["sequence"], frame["step"]) for frame in tab.painted()]
    assert order == sorted(order)
    shown = canvas(tab, 256, 256)
    wanted = png(server, tab.request())
    other = png(server, {**tab.request(), "prompt": "a white cat in the snow at night"})
    assert np.abs(shown - wanted).mean() < 8, "the picture of these words"
    assert np.abs(shown - other).mean() > 24, "and of no others"


def test_a_slider_repaints_and_going_back_repaints_the_same(server: SimpleNamespace, visit: Open):
    """Over sockets; test_live.py has controls over events, too."""
    tab = visit(server)
    tab.wait_answered()
    before = canvas(tab, 256, 256)
    tab.page.locator("#steps").get_by_text("8", exact=True).click()
    tab.wait("() => lightning.painted.at(-1).final && lightning.painted.at(-1).step === 8")
    assert np.abs(canvas(tab, 256, 256) - before).mean() > 0.5
    tab.page.locator("#steps").get_by_text("4", exact=True).click()
    tab.wait("() => lightning.painted.at(-1).final && lightning.painted.at(-1).step === 4")
    assert np.array_equal(canvas(tab, 256, 256), before)


def test_two_tabs_at_once_never_mix(server: SimpleNamespace, visit: Open):
    """One over sockets, the other over events; test_live.py has two of a kind."""
    tabs = [visit(server), visit(server, init=NO_SOCKET, viewport=PHONE)]
    sentences = ["a yellow boat by the sea", "three pink flowers in the hills"]
    for tab, sentence in zip(tabs, sentences, strict=True):
        tab.prompt.fill(sentence[:-TYPED])
    for keys in zip(*(sentence[-TYPED:] for sentence in sentences), strict=True):
        for tab, key in zip(tabs, keys, strict=True):
            tab.prompt.press_sequentially(key)
    for tab, sentence in zip(tabs, sentences, strict=True):
        tab.wait_painted(sentence)
        own = [frame["prompt"] for frame in tab.painted() if frame["sequence"] > 1]
        assert all(sentence.startswith(prompt) for prompt in own)
    used = [tab.page.evaluate("lightning.transport.name") for tab in tabs]
    assert used == ["socket", "events"]
