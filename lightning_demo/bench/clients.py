"""What each kind of page sends and shows, as its own JavaScript would: one object is one user.

Pictures are received but not decoded, so that one process can be many users.
"""

from __future__ import annotations

import asyncio
import functools
import json
import secrets
import ssl
import time
from collections.abc import Coroutine, Mapping
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from ..model.weights.checkpoints import MINIATURE
from ..web.messages import split_frame
from .score import Picture, Trace

CONNECTIONS = 6  # that a browser opens to one host over HTTP/1.1
OPEN_WITHIN = 60.0  # seconds; many users connect at once
MAX_FRAME_BYTES = 2**24


class Page:
    """One user's page. Belongs to one event loop; errors of its tasks are noted, not raised."""

    def __init__(self, url: str, seed: int, steps: int) -> None:
        self.trace = Trace()
        self._url, self._seed, self._steps = url, seed, steps
        self._finished = -1  # the newest key whose finished picture was shown
        self._shown = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Connects."""

    async def press(self, key: int, text: str) -> None:
        """The box holds `text` now; never waits for a picture."""
        raise NotImplementedError

    async def close(self) -> None:
        """The tab is closed, whatever is still on its way."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def finished(self, key: int) -> None:
        """Waits until the finished picture of a key, or of a later one, is shown."""
        while self._finished < key:
            self._shown.clear()
            await self._shown.wait()

    def _show(self, key: int, step: int, steps: int, final: bool, painted: bool = True) -> None:
        """A picture is there; `painted`: not from a cache."""
        now = time.perf_counter()
        self.trace.pictures.append(Picture(now, key, step, steps, final, painted))
        if final:
            self._finished = key
            self._shown.set()

    def _failed(self, problem: str) -> None:
        self.trace.problems.append(problem)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (problem := task.exception()) is not None:
            self._failed(f"{type(problem).__name__}: {problem}")


class LivePage(Page):
    """Our page's socket (`assets/web/link.js`): every key is sent, every frame acknowledged."""

    _socket: ClientConnection
    _path = "live"
    _newest = 0  # the key whose picture is shown

    async def open(self) -> None:
        """See `Page`."""
        url = self._url.replace("http", "ws", 1) + self._path
        self._socket = await connect(
            url, max_size=MAX_FRAME_BYTES, compression=None, open_timeout=OPEN_WITHIN
        )
        self._start(self._read())

    async def press(self, key: int, text: str) -> None:
        """Sends the request, numbered by its key."""
        width, height = MINIATURE.sizes[0]
        request = {
            "prompt": text,
            "negative_prompt": "",
            "num_inference_steps": self._steps,
            "guidance_scale": 0,
            "seed": self._seed,
            "width": width,
            "height": height,
        }
        await self.say({"sequence": key, "request": request})

    async def say(self, message: Mapping[str, Any]) -> None:
        """Sends anything."""
        try:
            await self._socket.send(json.dumps(message))
        except ConnectionClosed as problem:
            self._failed(str(problem))

    def break_off(self) -> None:
        """Ends without a goodbye, as a machine that falls off its network does."""
        self._socket.transport.abort()

    async def close(self) -> None:
        """See `Page`."""
        await super().close()
        if hasattr(self, "_socket"):
            await self._socket.close()

    async def _read(self) -> None:
        received = 0
        async for message in self._socket:
            if isinstance(message, str):
                self._told(json.loads(message))
                continue
            received += 1
            await self._socket.send(json.dumps({"seen": received}))
            self._framed(*split_frame(message))

    def _told(self, message: dict[str, Any]) -> None:
        """What came beside the frames."""
        if message["type"] == "error":
            self._failed(message["message"])

    def _framed(self, header: dict[str, Any], data: bytes) -> None:
        """A picture came."""
        key = header["sequence"]
        if key >= self._newest:  # the painter never goes back
            self._newest = key
            steps, painted = header["num_inference_steps"], not header["cached"]
            self._show(key, header["step"], steps, header["final"], painted)


class HttpPage(Page):
    """A page that fetches pictures and shows none older than the last one shown."""

    def __init__(self, url: str, seed: int, steps: int) -> None:
        super().__init__(url, seed, steps)
        self._http = httpx.AsyncClient(
            base_url=url,
            limits=httpx.Limits(max_connections=CONNECTIONS),
            timeout=httpx.Timeout(None, connect=OPEN_WITHIN),
            verify=_tls(),
            trust_env=False,
        )
        self._newest = (0, 0)

    async def close(self) -> None:
        """See `Page`."""
        await super().close()
        await self._http.aclose()

    def _show_if_newer(self, key: int, step: int) -> None:
        if (key, step) >= self._newest:
            self._newest = key, step
            self._show(key, step, self._steps, step == self._steps)


class GradioPage(HttpPage):
    """A Gradio page with `trigger_mode="always_last"` and one picture.

    One event at a time; of the keys pressed meanwhile only the last becomes the next one. Each
    event is posted to the queue and its answers arrive as server-sent events; each picture is a
    file that is fetched while the event goes on.
    """

    async def open(self) -> None:
        """Reads the page's configuration, as the page does."""
        config = (await self._http.get("config")).raise_for_status().json()
        functions = {each["api_name"]: each["id"] for each in config["dependencies"]}
        self._function = functions["paint"]
        self._session = secrets.token_hex(6)
        self._waiting: tuple[int, str] | None = None
        self._pressed = asyncio.Event()
        self._start(self._run())

    async def press(self, key: int, text: str) -> None:
        """Becomes the next event, unless another key comes before."""
        self._waiting = key, text
        self._pressed.set()

    async def _run(self) -> None:
        while True:
            await self._pressed.wait()
            self._pressed.clear()
            while self._waiting is not None:
                (key, text), self._waiting = self._waiting, None
                try:
                    await self._event(key, text)
                except httpx.HTTPError as problem:
                    self._failed(f"{type(problem).__name__}: {problem}")

    async def _event(self, key: int, text: str) -> None:
        event = {
            "data": [text, self._seed],
            "event_data": None,
            "fn_index": self._function,
            "trigger_id": None,
            "session_hash": self._session,
        }
        (await self._http.post("gradio_api/queue/join", json=event)).raise_for_status()
        session = {"session_hash": self._session}
        step, url = 0, ""
        async with self._http.stream("GET", "gradio_api/queue/data", params=session) as stream:
            async for line in stream.aiter_lines():
                if not line.startswith("data:"):
                    continue
                message = json.loads(line.removeprefix("data:"))
                if message["msg"] == "process_generating" and message["success"]:
                    step, url = step + 1, picture_url(message, url)
                    self._start(self._fetch(url, key, step))
                elif message["msg"] == "process_completed":
                    if not message["success"]:
                        self._failed(str(message["output"].get("error")))
                    elif step == 0:  # no generator: the only picture
                        self._start(self._fetch(picture_url(message, url), key, self._steps))

    async def _fetch(self, url: str, key: int, step: int) -> None:
        (await self._http.get(url)).raise_for_status()
        self._show_if_newer(key, step)


class FetchPage(HttpPage):
    """A page that fetches a picture for every key and shows each as it comes."""

    async def open(self) -> None:
        """Connections are made when they are needed."""
        self._free = asyncio.Semaphore(CONNECTIONS)  # first come, first served

    async def press(self, key: int, text: str) -> None:
        """Asks for the picture, or waits in the browser's line for a connection."""
        self._start(self._ask(key, text))

    async def _ask(self, key: int, text: str) -> None:
        async with self._free:
            request = {"prompt": text, "seed": self._seed}
            (await self._http.post("paint", json=request)).raise_for_status()
        self._show_if_newer(key, self._steps)


def picture_url(message: dict[str, Any], before: str) -> str:
    """Where the picture of a message is.

    Args:
        before: that of the message before: a generator's later ones only tell what has changed.
    """
    picture = message["output"]["data"][0]
    if isinstance(picture, dict):
        return str(picture["url"])
    changed = [value for action, path, value in picture if (action, path) == ("replace", ["url"])]
    return str(changed[-1]) if changed else before


@functools.cache
def _tls() -> ssl.SSLContext:
    """One for all: httpx otherwise makes one for each user, which takes longer than a picture."""
    return ssl.create_default_context()
