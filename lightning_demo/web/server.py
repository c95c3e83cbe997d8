"""The server: starts the page on one port, and on a signal lets running pictures finish.

Always launched through Gradio itself, so that one way works on a laptop and on every host.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from queue import Empty, SimpleQueue
from types import FrameType
from typing import Any, TypeVar

from .without_stubs import without_stubs

# Gradio reads these when it is imported, and later.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
# Otherwise pandas sums up all events after every event.
os.environ.setdefault("GRADIO_ANALYTICS_CACHE_FREQUENCY", str(2**31))
os.environ.setdefault("GRADIO_ANALYTICS_MAX_EVENTS", "100")

with without_stubs():
    import gradio as gr
from starlette.middleware import Middleware

from ..engine.base import Engine
from ..engine.metrics import Metrics
from ..errors import InvalidSetting
from ..interpreter import answer_soon
from ..ports import free_port
from ..settings import Settings
from ..tasks import tasks
from ..tls import OLDEST, check_certificate
from . import api
from .content_security import ContentSecurity
from .cors import with_cors
from .guard import Guard
from .kept_files import KeptFolder
from .login_page import LoginPage
from .logins import Logins
from .messages import MAX_MESSAGE_BYTES
from .page_head import PageHead
from .routes import routes
from .service import MAX_PAGES, Service
from .ui.page import page
from .ui.theme import theme
from .ui.words import FILES, head

log = logging.getLogger(__name__)

DRAIN_SECONDS = 5.0
CLOSE_SECONDS = 3  # for what is still being sent after that
ENGINE_SECONDS = 12.0
POLL_SECONDS = 0.5
SAME_SECONDS = 1.0  # in which another signal is the first one again, passed on by a program
PORTS = 5  # that are tried where any free one will do
TOLD_SECONDS = 3.0  # in which pages and health checks learn that the engine has failed
STYLES = (
    *("style", "prompt", "picture", "status", "controls", "words", "picture_dialog", "keys"),
    *("fields", "timeline", "dialogs", "compare", "batch", "prompt_tools"),
)
UPLOAD_BYTES = 1024  # the page takes no files
EVENTS_AT_ONCE = 3 * MAX_PAGES  # of the way over Gradio's events; waiting ones cost nothing


class Server:
    """One page on one port, served from a thread of its own."""

    def __init__(self, engine: Engine, settings: Settings, metrics: Metrics | None = None) -> None:
        self._settings = settings
        self._service = Service(engine, settings, metrics)
        self._api = api.Api(self._service)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._head = ""  # of the page
        self._blocks = _within_loop(lambda: build(self._service))

    @property
    def url(self) -> str:
        """Where the page is."""
        return str(self._blocks.local_url)

    def start(self) -> None:
        """Opens the page; the model may still be loading.

        Raises:
            InvalidSetting: the port is taken, the address is not this machine's, or the
                certificate cannot be used.
        """
        check_certificate(self._settings)
        for more in reversed(range(PORTS)):
            try:
                self._open()
                return
            except OSError as error:  # another program has taken it since it was found free
                if self._settings.port or not more:
                    raise InvalidSetting(f"port: it cannot be used ({error}).") from None

    def _open(self) -> None:
        host = self._settings.host.strip("[]")
        port = free_port(host, self._settings.port)
        audiences = self._service.stage.audiences if self._service.stage else None
        if audiences is not None:
            audiences.port = port
        _within_loop(lambda: self._launch(host, port))
        if audiences is not None:
            audiences.share_url = self._blocks.share_url or ""

    def stop(self) -> None:
        """Takes nothing new, lets running pictures finish, then closes page and engine."""
        self._in_loop(self._service.drain(DRAIN_SECONDS), DRAIN_SECONDS + CLOSE_SECONDS)
        self._in_loop(self._service.engine.aclose(), ENGINE_SECONDS)
        self._in_loop(self._api.aclose(), CLOSE_SECONDS)
        self._blocks.close(verbose=False)
        self._loop = None

    def _launch(self, host: str, port: int) -> None:
        self._head = head(self._blocks)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Gradio's advice to programmers, not to visitors
            self._blocks.launch(
                prevent_thread_lock=True,
                server_name=f"[{host}]" if ":" in host else host,
                server_port=port,
                app_kwargs=self._app_options(),
                auth=self._settings.logins(),
                share=self._settings.share,
                ssl_certfile=self._settings.tls_cert or None,
                ssl_keyfile=self._settings.tls_key or None,
                ssl_verify=False,  # of a certificate that may be one's own: Gradio asks itself
                # Node's proxy in front would pass no WebSocket on.
                ssr_mode=False,
                # It would keep every frame in the visitor's localStorage, synchronously.
                run_history=False,
                show_error=False,
                quiet=True,
                inline=False,
                inbrowser=False,
                pwa=False,
                mcp_server=False,
                enable_monitoring=False,
                max_threads=EVENTS_AT_ONCE,
                max_file_size=UPLOAD_BYTES,
                footer_links=[],
                head=self._head,
                favicon_path=FILES / "favicon.svg",
                theme=theme(),
                css_paths=[FILES / f"{name}.css" for name in STYLES],
            )
        # With a public link Gradio would take the page's own code from a CDN.
        self._blocks.share = False
        config = self._blocks.server.config
        config.loaded_app = with_cors(config.loaded_app, self._settings)
        if config.ssl is not None:
            config.ssl.minimum_version = OLDEST
        config.ws_max_size = MAX_MESSAGE_BYTES
        config.ws_per_message_deflate = False  # JPEG does not get smaller
        config.timeout_graceful_shutdown = CLOSE_SECONDS

    def _app_options(self) -> dict[str, Any]:
        apis = api.routes(self._api)
        shape_of = partial(api.shape_of, apis)
        guard = Middleware(Guard, settings=self._settings, shape_of=shape_of)
        security = Middleware(ContentSecurity, settings=self._settings, head=lambda: self._head)
        login = [Middleware(Logins), Middleware(LoginPage)] if self._settings.auth else []
        files = KeptFolder(FILES)
        page = Middleware(PageHead, title=self._blocks.title, files=files)
        return {
            "routes": [*routes(self._service, files), *apis],
            "middleware": [security, guard, *login, page],
            "lifespan": self._lifespan,
        }

    @contextlib.asynccontextmanager
    async def _lifespan(self, app: object) -> AsyncIterator[None]:
        self._loop = asyncio.get_running_loop()
        async with tasks(self._api.keep_tidy()):
            yield

    def _in_loop(self, work: Any, seconds: float) -> None:
        """Runs a coroutine on the server's loop and waits for it, but not for ever."""
        if self._loop is None:
            work.close()
            return
        try:
            asyncio.run_coroutine_threadsafe(work, self._loop).result(seconds)
        except Exception:
            log.exception("while closing")


T = TypeVar("T")


def _within_loop(work: Callable[[], T]) -> T:
    """Does something under a running event loop: without one Gradio leaks one per lock."""

    async def inside() -> T:
        return work()

    return asyncio.run(inside())


def build(service: Service) -> gr.Blocks:
    """The page's Blocks."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return page(service)


def serve(engine: Engine, settings: Settings, metrics: Metrics | None = None) -> int:
    """Serves the page until a signal or the engine's failure ends it; returns the exit code.

    Args:
        metrics: where the engine writes what it measures; absent: it measures nothing.
    """
    answer_soon()
    with _signals() as asked:
        try:
            server = Server(engine, settings, metrics)
            server.start()
        except InvalidSetting as error:
            print(f"error: {error}", file=sys.stderr)
            asyncio.run(engine.aclose())
            return 2
        print(f"Open {server.url}", flush=True)
        failed = _until_asked_or_failed(engine, asked)
        log.info("closing: running pictures finish first")
        server.stop()
        if failed:
            print(f"error: {failed}", file=sys.stderr)
        return 1 if failed else 0


def _until_asked_or_failed(engine: Engine, asked: SimpleQueue[int]) -> str:
    """Waits for a signal, or for an engine that has served to fail, and returns its last words.

    A supervisor then starts the demo anew. An engine that could not load its model is kept instead:
    the page says why until somebody has read it and starts the demo in another way.
    """
    served = False
    while True:
        status = engine.status()
        served = served or status.state == "ready"
        if served and status.state == "failed":
            _comes(asked, TOLD_SECONDS)
            return status.detail
        if _comes(asked, POLL_SECONDS):  # bounded: on Windows a wait without end lets no signal in
            return ""


def _comes(asked: SimpleQueue[int], seconds: float) -> bool:
    try:
        asked.get(timeout=seconds)
    except Empty:
        return False
    return True


@contextlib.contextmanager
def _signals() -> Iterator[SimpleQueue[int]]:
    """Where what asks to end is put; a second signal ends the process at once.

    Not an event: a handler runs on the thread that waits, and would wait for its own lock.
    """
    asked: SimpleQueue[int] = SimpleQueue()
    first = 0.0

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal first
        now = time.monotonic()
        if not first:
            first = now
            asked.put(number)
        elif now - first > SAME_SECONDS:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    before = {number: signal.signal(number, ask) for number in _that_end()}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _that_end() -> Iterator[int]:
    """Ctrl-C and a supervisor's signal, and what closing a terminal sends: SIGHUP, or on Windows
    SIGBREAK. What this process was started to ignore, as `nohup` does, stays ignored.
    """
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            yield number
