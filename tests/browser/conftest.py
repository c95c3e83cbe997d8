"""A real Chromium in front of real servers; each page is watched for errors and for strangers."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, ViewportSize

from ..web.conftest import PATIENCE, Running
from ..web.fakes import FakeEngine

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESKTOP = ViewportSize(width=1440, height=900)
PHONE = ViewportSize(width=390, height=844)


HERE = Path(__file__).parent


@pytest.hookimpl(trylast=True)  # after pytest has put together what shares a fixture
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what drives a browser, and runs it last.

    Playwright keeps an event loop running in the main thread from its first test to the end, in
    which no other test could call `asyncio.run`. Processes that share the tests take the files in
    this order, so that none comes after a browser's.
    """
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.browser)
    items.sort(key=lambda item: item.path.is_relative_to(HERE))


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """pytest-playwright's own fixture: this machine's Chromium instead of a downloaded one."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        reason = f"no browser: none of {', '.join(NAMES)} is installed"
        if os.environ.get("LIGHTNING_REQUIRE_BROWSER") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return {**browser_type_launch_args, "executable_path": found, "args": FLAGS}


@pytest.fixture(scope="session")
def away() -> Iterator[ThreadPoolExecutor]:
    """A thread to start servers in: Playwright keeps an event loop in the main one."""
    with ThreadPoolExecutor(1) as pool:
        yield pool


@pytest.fixture(scope="session")
def shared(away: ThreadPoolExecutor) -> Iterator[Callable[[str], Running]]:
    """Servers that tests leave as they were, one for each transport."""
    servers: dict[str, Running] = {}

    def get(transport: str) -> Running:
        if transport not in servers:
            make = away.submit(Running, FakeEngine(), transport=transport)
            servers[transport] = make.result()
        return servers[transport]

    yield get
    for server in servers.values():
        server.server.stop()


@pytest.fixture(params=["socket", "events"])
def running(request: pytest.FixtureRequest, shared: Callable[[str], Running]) -> Running:
    """A server for each of the two ways that frames travel."""
    return shared(request.param)


@pytest.fixture
def own(away: ThreadPoolExecutor) -> Iterator[Callable[..., Running]]:
    """Starts a server whose engine the test may disturb."""
    started: list[Running] = []

    def make(engine: FakeEngine | None = None, **settings: Any) -> Running:
        started.append(away.submit(Running, engine or FakeEngine(), **settings).result())
        return started[-1]

    yield make
    for server in started:
        server.server.stop()


class Visit:
    """One tab on the demo, and what a visitor does there."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.prompt = page.get_by_label("Prompt", exact=True)
        page.goto(url, wait_until="domcontentloaded")
        page.wait_for_function("globalThis.lightning?.transport")

    def type(self, text: str) -> None:
        """Replaces the prompt, key by key."""
        self.prompt.fill("")
        self.prompt.press_sequentially(text, delay=15)

    def wait(self, script: str, argument: Any = None) -> None:
        self.page.wait_for_function(script, arg=argument)

    def wait_painted(self, prompt: str) -> dict[str, Any]:
        """Waits for the final picture of `prompt`; returns what is known of it."""
        self.wait("p => (l => l?.final && l.prompt === p)(lightning.painted.at(-1))", prompt)
        return self.painted()[-1]

    def wait_answered(self) -> dict[str, Any]:
        """Waits until the newest request has its final picture."""
        self.wait(
            "() => (l => l?.final && l.sequence === lightning.sequence)(lightning.painted.at(-1))"
        )
        return self.painted()[-1]

    def painted(self) -> list[dict[str, Any]]:
        return json.loads(self.page.evaluate("JSON.stringify(lightning.painted)"))

    def request(self) -> dict[str, Any]:
        return json.loads(self.page.evaluate("JSON.stringify(lightning.request)"))

    def sequence(self) -> int:
        return int(self.page.evaluate("lightning.sequence"))

    def color(self) -> tuple[int, ...]:
        """The colour in the middle of the canvas."""
        return tuple(
            self.page.evaluate(
                "(c => [...c.getContext('2d').getImageData(c.width / 2, c.height / 2, 1, 1)"
                ".data].slice(0, 3))(document.getElementById('canvas'))"
            )
        )

    def text(self, name: str) -> str:
        return self.page.locator(f"#{name}").inner_text()


@pytest.fixture(scope="session")
def contexts(browser: Browser) -> Iterator[Callable[..., BrowserContext]]:
    """One browser context for each set of options: its cache makes later pages quick."""
    opened: dict[str, BrowserContext] = {}

    def get(**options: Any) -> BrowserContext:
        key = json.dumps(options, sort_keys=True)
        if key not in opened:
            opened[key] = browser.new_context(**options)
        return opened[key]

    yield get
    for context in opened.values():
        context.close()


@pytest.fixture
def visit(contexts: Callable[..., BrowserContext]) -> Iterator[Callable[..., Visit]]:
    """Opens tabs: `visit(running)`. At the end none may have met an error or asked a stranger."""
    pages: list[Page] = []
    trouble: list[str] = []

    def note_request(request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme in ("http", "https", "ws", "wss") and address.hostname != "127.0.0.1":
            trouble.append(f"request to {request.url}")

    def open_tab(
        running: Running, path: str = "/", init: str | None = None, **options: Any
    ) -> Visit:
        page = contexts(**{"viewport": DESKTOP, **options}).new_page()
        pages.append(page)
        page.set_default_timeout(PATIENCE * 1000)
        page.on("console", lambda m: trouble.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on("dialog", lambda dialog: trouble.append(f"dialog: {dialog.message}"))
        page.on("request", note_request)
        page.on("websocket", lambda s: trouble.append(s.url) if "127.0.0.1" not in s.url else None)
        if init:
            page.add_init_script(init)
        return Visit(page, running.url + path)

    yield open_tab
    for page in pages:
        page.close()
    assert trouble == []
