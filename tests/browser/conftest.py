"""A real Chromium in front of real servers; each page is watched for errors and for strangers."""

from __future__ import annotations

import json
import os
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, CDPSession, Page, ViewportSize

from lightning_demo.engine.base import Engine
from lightning_demo.web import service
from lightning_demo.web.stage import stage
from lightning_demo.web.stage.audience import audiences

from ..browsers import FLAGS, NAMES
from ..web.conftest import PATIENCE, Running, one_app_a_page, wait_for  # noqa: F401 - a fixture
from ..web.fakes import FakeEngine, Stage

if TYPE_CHECKING:
    from . import hall  # which needs this file

DESKTOP = ViewportSize(width=1440, height=900)
PHONE = ViewportSize(width=390, height=844)
# A page that is prepared with this finds that sockets cannot be opened.
NO_SOCKET = """
globalThis.WebSocket = class {
  static OPEN = 1;
  constructor() {
    globalThis.sockets = (globalThis.sockets ?? 0) + 1;
    setTimeout(() => this.onclose?.());
  }
  close() {}
};
"""


HERE = Path(__file__).parent
LONGEST = (
    *("test_talk.py", "test_main_job.py", "test_batch.py", "test_live.py", "test_axe.py"),
    *("test_timeline.py", "test_languages.py", "test_controls.py", "test_completion.py"),
    *("test_stage.py", "test_looks.py"),
)


@pytest.hookimpl(trylast=True)  # after pytest has put together what shares a fixture
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what drives a browser, and runs it last.

    Playwright keeps an event loop running in the main thread from its first test to the end, in
    which no other test could call `asyncio.run`. Processes that share the tests take the files in
    this order, so that none comes after a browser's; and the longest come first, so that none is
    left to one process alone.
    """
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.browser)
    last = len(LONGEST)
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: (item.path.is_relative_to(HERE), place.get(item.path.name, last)))


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


LISTEN = """(name) => {
  const element = document.getElementById(name);
  globalThis.said = [];
  new MutationObserver(() => globalThis.said.push(element.textContent)).observe(element,
    { childList: true, characterData: true, subtree: true });
}"""
# Closes all that is open on a page, and asks once more for what it began with.
ANEW = """(request) => {
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
  for (const details of document.querySelectorAll("details[open]")) details.open = false;
  document.querySelector("#waterfall:not([hidden]) #waterfall-close")?.click();
  if (!document.getElementById("timeline-menu").hidden) {
    document.getElementById("timeline-more").click();
  }
  lightning.drawer.open(false);
  Object.assign(lightning.ghost, { history: [], finished: "" });
  lightning.recalled.take({ ...request });
  lightning.submit();
  const prompt = lightning.controls.field("prompt");
  prompt.focus();
  prompt.setSelectionRange(prompt.value.length, prompt.value.length);
}"""


class House(Running):
    """A server that goes on from test to test, each with an engine of its own."""

    def __init__(self, engine: Engine, **settings: Any) -> None:
        self._stage = Stage(engine)
        super().__init__(self._stage, **settings)
        self.engine = engine

    def give(self, engine: Engine) -> None:
        """Exchanges the engine; no page is open."""
        self.engine = engine
        self._stage.exchange(engine)


@pytest.fixture(scope="session")
def houses(away: ThreadPoolExecutor) -> Iterator[Callable[..., House]]:
    """Servers by what their pages are made from: a browser that knows one is quick to open it."""
    found: dict[str, House] = {}

    def get(engine: Engine, **settings: Any) -> House:
        about = engine.status()
        page = (about.model, about.loading_model, about.limits, about.submit_on_enter)
        key = repr((page, sorted(settings.items())))
        if key in found:
            found[key].give(engine)
        else:
            found[key] = away.submit(House, engine, **settings).result()
        return found[key]

    yield get
    for house in found.values():
        house.server.stop()


@pytest.fixture
def own(houses: Callable[..., House]) -> Iterator[Callable[..., House]]:
    """A server with an engine that the test may disturb; over sockets unless said otherwise."""
    used: list[House] = []

    def make(engine: Engine | None = None, **settings: Any) -> House:
        used.append(houses(engine or FakeEngine(), **{"transport": "socket", **settings}))
        return used[-1]

    yield make
    for house in used:
        wait_for(lambda house=house: not house.pages)


@pytest.fixture(params=["socket", "events"])
def running(request: pytest.FixtureRequest, own: Callable[..., House]) -> House:
    """A server for each of the two ways that frames travel."""
    return own(transport=request.param)


class Visit:
    """One tab on the demo, and what a visitor does there."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.prompt = page.get_by_label("Prompt", exact=True)
        self.open(url)

    def open(self, url: str) -> None:
        """Loads the page."""
        self.page.goto(url, wait_until="domcontentloaded")
        self.page.wait_for_function("globalThis.lightning?.transport")

    def anew(self, first: dict[str, Any]) -> None:
        """Brings the page back to the request that it began with; what it has kept, it keeps."""
        self.page.bring_to_front()
        self.page.set_viewport_size(DESKTOP)
        self.page.evaluate(ANEW, first)
        self.wait_answered()

    def open_drawer(self) -> None:
        """Shows what a first visitor does not need."""
        self.page.evaluate("lightning.drawer.open(true)")

    def type(self, text: str, keys: int = 2) -> None:
        """Replaces the prompt, its end key by key."""
        self.prompt.fill(text[:-keys])
        self.prompt.press_sequentially(text[-keys:], delay=15)

    def resize(self, viewport: ViewportSize) -> None:
        """Gives the window another size, and waits until the page has been drawn in it."""
        self.page.set_viewport_size(viewport)
        self.page.evaluate("new Promise(end => requestAnimationFrame(() => setTimeout(end)))")

    def listen(self, name: str) -> None:
        """Notes all that an element says from now on, for `wait_said`."""
        self.page.evaluate(LISTEN, name)

    def wait_said(self, words: str) -> None:
        """Waits until it has said so, be it that it says something else by now."""
        self.wait("words => globalThis.said.includes(words)", words)

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


class Modules:
    """Calls functions of the page's modules, in a tab without the page: that takes long to open."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def __call__(self, module: str, name: str, *given: Any) -> Any:
        """What a function of `module`.js returns."""
        return self.page.evaluate(
            "async ([module, name, given]) =>"
            " (await import(new URL(`web/${module}.js`, document.baseURI)))[name](...given)",
            [module, name, given],
        )


class Tabs:
    """Tabs that are used again, since the next page in one is there in half the time.

    What they meet is in `trouble`: errors, dialogs, and requests to strangers.
    """

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._contexts: dict[str, BrowserContext] = {}  # one for each set of options
        self._empty: defaultdict[str, list[Page]] = defaultdict(list)
        self._clients: dict[Page, CDPSession] = {}
        self._inits: dict[Page, str] = {}  # what the browser calls a tab's init script
        self.trouble: list[str] = []

    def open(self, init: str | None = None, **options: Any) -> Page:
        """An empty tab, each of whose pages runs the init script first."""
        key = json.dumps(options, sort_keys=True)
        if waiting := self._empty[key]:
            page = waiting.pop()
            page.bring_to_front()
        else:
            if key not in self._contexts:
                self._contexts[key] = self._browser.new_context(**options)
            page = self._contexts[key].new_page()
            page.set_default_timeout(PATIENCE * 1000)
            self._clients[page] = page.context.new_cdp_session(page)
            self._watch(page)
        if init:  # not Playwright's, which stays with the tab: another tab is another process
            client = self._clients[page]
            client.send("Page.enable")
            added = client.send("Page.addScriptToEvaluateOnNewDocument", {"source": init})
            self._inits[page] = added["identifier"]
        return page

    def leave(self, page: Page, **options: Any) -> None:
        """Empties a tab that was opened with these options."""
        if identifier := self._inits.pop(page, None):
            given = {"identifier": identifier}
            self._clients[page].send("Page.removeScriptToEvaluateOnNewDocument", given)
        page.goto("about:blank")
        options.pop("init", None)
        self._empty[json.dumps(options, sort_keys=True)].append(page)

    def forget(self, page: Page, url: str) -> None:
        """Drops what pages of this address have kept: the next test's may have the same one."""
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(url))
        kept = {"origin": origin, "storageTypes": "local_storage,indexeddb"}
        self._clients[page].send("Storage.clearDataForOrigin", kept)

    @contextmanager
    def quiet(self, page: Page) -> Iterator[None]:
        """What happens on a page meanwhile meets no trouble."""
        self.trouble.clear()
        yield
        page.evaluate("null")  # afterwards all that it has met has been told
        assert self.trouble == []

    def _watch(self, page: Page) -> None:
        note = self.trouble.append
        page.on("console", lambda m: note(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: note(str(error)))
        page.on("dialog", lambda dialog: note(f"dialog: {dialog.message}"))
        page.on("request", lambda request: self._note_address(request.url))
        page.on("websocket", lambda socket: self._note_address(socket.url))

    def _note_address(self, url: str) -> None:
        address = urlsplit(url)
        if address.scheme in ("http", "https", "ws", "wss") and address.hostname != "127.0.0.1":
            self.trouble.append(f"request to {url}")


@pytest.fixture(scope="session")
def tabs(browser: Browser) -> Tabs:
    """All tabs of the browser, which closes them."""
    return Tabs(browser)


@pytest.fixture
def modules(tabs: Tabs, own: Callable[..., House]) -> Iterator[Modules]:
    """The page's modules by themselves."""
    page = tabs.open()
    page.goto(f"{own().url}/healthz")
    yield Modules(page)
    tabs.leave(page)


@pytest.fixture
def visit(tabs: Tabs, own: object) -> Iterator[Callable[..., Visit]]:
    """Opens tabs: `visit(running)`. At the end none may have met an error or asked a stranger.

    They are left before the test's own servers are.
    """
    opened: list[tuple[Page, dict[str, Any]]] = []
    tabs.trouble.clear()

    def open_tab(
        running: Running, path: str = "/", viewport: ViewportSize = DESKTOP, **options: Any
    ) -> Visit:
        page = tabs.open(**options)
        page.set_viewport_size(viewport)
        opened.append((page, options))
        return Visit(page, running.url + path)

    yield open_tab
    for page, _ in opened:
        page.evaluate("null")  # afterwards all that it has met has been told
    trouble = list(tabs.trouble)
    left = [(page, page.url) for page, _ in opened if page.url.startswith("http")]
    for page, options in opened:
        tabs.leave(page, **options)
    for page, url in left:
        tabs.forget(page, url)
    assert trouble == []


@pytest.fixture(scope="session")
def shared_house(away: ThreadPoolExecutor) -> Iterator[House]:
    """The server of pages that tests share: what these keep, no other test's end may clear."""
    house = away.submit(House, FakeEngine(), transport="socket").result()
    yield house
    house.server.stop()


@pytest.fixture(scope="module")
def share(tabs: Tabs) -> Iterator[Callable[[House], Visit]]:
    """Opens pages for all tests of a file, each of a server that has no others."""
    opened: list[tuple[Page, House]] = []

    def open_tab(house: House) -> Visit:
        page = tabs.open()
        page.set_viewport_size(DESKTOP)
        opened.append((page, house))
        tab = Visit(page, house.url)
        tab.wait_answered()
        return tab

    yield open_tab
    for page, house in opened:
        tabs.leave(page)
        tabs.forget(page, house.url)
        wait_for(lambda house=house: not house.pages)


@pytest.fixture(scope="module")
def shared_page(
    share: Callable[[House], Visit], shared_house: House
) -> tuple[Visit, dict[str, Any]]:
    """A page that a file's tests share, and what it asked for first."""
    tab = share(shared_house)
    return tab, tab.request()


@pytest.fixture
def again(shared_page: tuple[Visit, dict[str, Any]], tabs: Tabs) -> Iterator[Visit]:
    """The page that a file's tests share, as it was first; over sockets.

    To open one takes longer than most of what is shown on it. For tests that need no engine of
    their own, and leave the page's modules as they are.
    """
    tab, first = shared_page
    with tabs.quiet(tab.page):
        tab.anew(first)
        yield tab


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> hall.Clock:
    """Of the next server's stage; seats are kept, however slow the machine is."""
    from . import hall

    for name in ("IDLE_SECONDS", "TURN_SECONDS"):
        monkeypatch.setattr(audiences, name, 36_000.0)
    clock = hall.Clock()
    monkeypatch.setattr(service, "Stage", partial(stage.Stage, clock=clock))
    return clock


@pytest.fixture
def talk(
    own: Callable[..., Running], visit: Callable[..., Visit], clock: hall.Clock
) -> Iterator[hall.Talk]:
    """A desk before a hall with two seats."""
    from . import hall

    options = {"stage": True, "audience": True, "audience_seats": 2, "audience_url": hall.ADDRESS}
    talk = hall.Talk(own(FakeEngine(), **options), visit)
    yield talk
    talk.close()
