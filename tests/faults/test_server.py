"""A server that is killed under fifty pages, and one that has no file descriptors left."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import socket
import sys
import threading
import time
from urllib.parse import urlsplit

import httpx
import pytest
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as connect_asyncio
from websockets.exceptions import WebSocketException

from lightning_demo.settings import Settings
from lightning_demo.web import messages
from lightning_demo.web.server import Server

from ..web.conftest import Tab, connect
from ..web.fake_server import fake_server
from ..web.fakes import FakeEngine

PAGES = 50
PATIENCE = 60.0  # seconds; only a failure waits that long
FILES = 64  # that the server may have open


def live(url: str) -> str:
    """Where pages of a server connect to."""
    return url.replace("http", "ws") + "/live"


class Pages:
    """Pages that come back as ours do (`assets/web/reconnecting.js`), and ask again each time."""

    def __init__(self, url: str) -> None:
        self._address = live(url)
        self.painted = 0  # pages whose picture is there, since `forget`
        self.opened = 0  # connections, since then
        self._thread = threading.Thread(target=lambda: asyncio.run(self._all()), daemon=True)
        self._stop = threading.Event()
        self._random = random.Random(1)

    def __enter__(self) -> Pages:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join(PATIENCE)

    def forget(self) -> None:
        self.painted = self.opened = 0

    def all_have_painted(self) -> None:
        end = time.monotonic() + PATIENCE
        while self.painted < PAGES:
            assert time.monotonic() < end, f"{self.painted} of {PAGES} pages have their picture"
            time.sleep(0.02)

    async def _all(self) -> None:
        pages = [asyncio.create_task(self._page(number)) for number in range(PAGES)]
        while not self._stop.is_set():  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        for page in pages:
            page.cancel()
        await asyncio.gather(*pages, return_exceptions=True)

    async def _page(self, number: int) -> None:
        wait = 0.25
        while True:
            with contextlib.suppress(OSError, WebSocketException):
                async with connect_asyncio(self._address, max_size=None) as connection:
                    self.opened += 1
                    wait = 0.25
                    await self._use(connection, number)
            await asyncio.sleep(wait * self._random.uniform(0.75, 1.25))
            wait = min(2 * wait, 5.0)

    async def _use(self, connection: ClientConnection, number: int) -> None:
        request = {"prompt": f"page {number}", "seed": 1}
        await connection.send(json.dumps({"sequence": 1, "request": request}))
        async for content in connection:
            if isinstance(content, bytes) and messages.split_frame(content)[0]["final"]:
                self.painted += 1


def test_fifty_pages_come_back_after_a_kill() -> None:
    """That they do not come all at once: tests/web_scripts/reconnecting.test.mjs."""
    with contextlib.ExitStack() as stack:
        child, url = stack.enter_context(fake_server())
        pages = stack.enter_context(Pages(url))
        pages.all_have_painted()
        child.kill()
        child.wait(PATIENCE)
        pages.forget()
        port = urlsplit(url).port
        assert port is not None
        server = Server(FakeEngine(), Settings(port=port))
        server.start()
        stack.callback(server.stop)
        pages.all_have_painted()
        assert pages.opened == PAGES, "each page comes once"


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit that a process keeps to")
def test_without_descriptors_it_goes_on_and_answers_again_afterwards() -> None:
    with fake_server(files=FILES) as (child, url), connect(live(url)) as one:
        tab = Tab(one)
        tab.ask(1)
        assert tab.final(1)
        place = urlsplit(url)
        others = [socket.create_connection((place.hostname, place.port)) for _ in range(FILES)]
        with pytest.raises(httpx.HTTPError):
            httpx.get(f"{url}/healthz", timeout=1)
        tab.ask(2)
        assert tab.final(2), "who is there is served on"
        for other in others:
            other.close()
        end = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{url}/healthz", timeout=5).status_code == 200:
                    break
            assert time.monotonic() < end, "it does not answer again"
        with connect(live(url)) as another:
            tab = Tab(another)
            tab.ask(1)
            assert tab.final(1)
        assert child.poll() is None
