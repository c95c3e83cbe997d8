"""A talk's first minute at a real server: pages open, pictures come, and what that takes."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from math import ceil
from pathlib import Path
from typing import Any

from ..engine.build import build_engine
from ..engine.latency_model import LatencyModel
from ..engine.metrics import Metrics
from ..errors import EngineUnavailable
from ..schemas import GETTING_FASTER
from ..settings import Settings
from ..web.messages import split_frame
from ..web.stage.audience.seats import TURN_SECONDS
from .simulation.device_model import DeviceModel
from .simulation.talk import simulated

EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - and where that is reached from here
ANSWER_SECONDS = 10.0
LOAD_SECONDS = 600.0  # SDXL's weights from a slow disk, onto a GPU
PICTURE_SECONDS = 120.0
PROMPTS = ("a rehearsal", "a rehearsal by the sea")  # neither is an example: nobody has them ready
QUICK_DECODER = 0.02  # seconds of a preview, at most; it is not timed by itself
TALKS, TYPING_SECONDS = 3, 20.0  # that are simulated, and typed in each by each


@dataclass(frozen=True, slots=True)
class Times:
    """What the first pictures of a server took, seconds."""

    ready: float | None  # until the model was loaded and warm; None: it was, before
    first: float  # the first picture, from the request to its last byte
    next: float  # another one
    decode: float  # of that, in its decoder
    encode: float
    size: tuple[int, int]
    steps: int
    getting_faster: bool

    @property
    def words(self) -> str:
        """All of it for people."""
        ready = "warm" if self.ready is None else f"ready after {self.ready:.1f} s"
        return f"{ready}; the first picture took {self.first:.2f} s, the next {self.next:.2f} s"


@dataclass(frozen=True, slots=True)
class Waits:
    """From the last key to the finished picture: median and 95th percentile, seconds."""

    alone: tuple[float, float]  # the presenter, while no phone paints
    presenter: tuple[float, float]  # before the hall
    phones: tuple[float, float] | None  # None: there are none


class RunningDemo:
    """A server of this demo on this machine."""

    def __init__(self, host: str, port: int, *, https: bool, audience: bool) -> None:
        """
        Args:
            audience: whether phones are to come to it.
        """
        self.host, self.port, self.https, self.audience = host, port, https, audience
        self.begun = time.perf_counter()
        self._latencies: LatencyModel | None = None  # of a model in this process

    @classmethod
    def at(cls, settings: Settings) -> RunningDemo:
        """The one that was started with these settings."""
        host = settings.host.strip("[]")
        host = EVERYWHERE.get(host, host)
        return cls(host, settings.port, https=bool(settings.tls_cert), audience=settings.audience)

    @classmethod
    @contextlib.contextmanager
    def started(cls, settings: Settings, folder: Path) -> Iterator[RunningDemo]:
        """One for a while, on a port of its own, that only this machine reaches.

        Args:
            folder: for the files of its APIs.
        """
        from ..web.server import Server

        private = replace(
            settings,
            host="127.0.0.1",
            port=0,
            share=False,
            auth="",
            api_keys="",
            tls_cert="",
            tls_key="",
            stage=True,
            kiosk=0.0,
            files_dir=str(folder),
        )
        latencies, metrics = LatencyModel(), Metrics()
        engine = build_engine(private, metrics=metrics, latency_model=latencies)
        server = Server(engine, private, metrics)
        begun = time.perf_counter()
        server.start()
        try:
            port = int(server.url.rstrip("/").rpartition(":")[2])
            demo = cls("127.0.0.1", port, https=False, audience=settings.audience)
            demo.begun, demo._latencies = begun, latencies
            yield demo
        finally:
            server.stop()

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body of an address, without any proxy that the environment names.

        Raises:
            EngineUnavailable: nothing answers.
        """
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # it is ourselves
        connection = (
            HTTPSConnection(self.host, self.port, timeout=ANSWER_SECONDS, context=context)
            if self.https
            else HTTPConnection(self.host, self.port, timeout=ANSWER_SECONDS)
        )
        try:
            connection.request("GET", path, headers={"Host": "localhost"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, HTTPException) as error:
            raise EngineUnavailable(f"{path} does not answer ({error}).") from None
        finally:
            connection.close()

    def status(self) -> dict[str, Any]:
        """As /healthz tells it.

        Raises:
            EngineUnavailable: it does not.
        """
        try:
            found: dict[str, Any] = json.loads(self.get("/healthz")[1])
        except ValueError:
            raise EngineUnavailable("/healthz answers something else.") from None
        return found

    def forecast(self, times: Times, phones: int) -> Waits | None:
        """How long everybody would wait, on a virtual clock.

        Args:
            phones: that paint at the same time, beside the presenter.

        Returns:
            None for a server in another process, which tells no costs.
        """
        if self._latencies is None:
            return None
        known = LatencyModel()
        for kind, size, rows, cost in self._latencies:
            known.calibrate(kind, size, rows, cost)
        kinds = {kind for kind, *_ in known}
        if "decoder" not in kinds:
            known.calibrate("decoder", times.size, 1, times.decode)
        if "preview" not in kinds:
            known.calibrate("preview", times.size, 1, min(times.decode, QUICK_DECODER))
        model = DeviceModel("here", times.size, known, 0.0, times.encode)
        asked = (phones, TYPING_SECONDS, TALKS, times.steps)
        alone, presenter, hall = simulated(model, *asked)
        return Waits(_wait(alone), _wait(presenter), _wait(hall) if phones else None)


def _wait(figures: dict[str, Any]) -> tuple[float, float]:
    """Median and 95th percentile, seconds."""
    spread = figures["last_key_to_final_ms"]
    return spread["p50"] / 1000, spread["p95"] / 1000


def last_turn(phones: int, seats: int) -> float:
    """Seconds after which the last of so many phones has had a seat, if all of them want one."""
    return (ceil(phones / seats) - 1) * TURN_SECONDS


def is_demo(settings: Settings) -> bool:
    """Whether what listens at these settings' port is this demo."""
    try:
        return RunningDemo.at(settings).status().get("type") == "status"
    except EngineUnavailable:
        return False


def open_pages(demo: RunningDemo) -> str:
    """Opens the page, the wall and what phones are to open, and says so.

    Raises:
        EngineUnavailable: one of them does not come.
    """
    paths = {"/": "", "/web/live.js": "", "/stage": "--stage", "/web/stage.js": ""}
    if demo.audience:
        paths |= {"/audience": "--audience", "/web/audience.js": ""}
    for path, option in paths.items():
        status, body = demo.get(path)
        if status == 404 and option:
            raise EngineUnavailable(f"{path} is not there: start the demo with {option}.")
        if status != 200 or not body:
            raise EngineUnavailable(f"{path} answers {status}.")
    phones = ", the wall and the phones' page" if demo.audience else " and the wall"
    return f"the page{phones} open"


def time_pictures(demo: RunningDemo) -> Times:
    """Waits until the model is ready, and then paints two pictures as a page would.

    Raises:
        EngineUnavailable: it does not load, or no picture comes.
    """
    from websockets.sync.client import connect

    cold = demo.status().get("state") == "loading"
    status = _wait_ready(demo)
    ready = time.perf_counter() - demo.begun if cold or demo._latencies else None
    scheme = "wss" if demo.https else "ws"
    options: dict[str, Any] = {"max_size": None}
    if demo.https:
        options["ssl"] = ssl._create_unverified_context()  # noqa: S323 - it is ourselves
    name = f"[{demo.host}]" if ":" in demo.host else demo.host
    taken: list[float] = []
    header: dict[str, Any] = {}
    try:
        # A socket of one's own goes through no proxy that the environment names.
        line = socket.create_connection((demo.host, demo.port), ANSWER_SECONDS)
        url = f"{scheme}://{name}:{demo.port}/live"
        with line, connect(url, sock=line, **options) as page:
            for number, prompt in enumerate(PROMPTS):
                begun = time.perf_counter()
                request = {"prompt": prompt, "seed": number}
                page.send(json.dumps({"sequence": number + 1, "request": request}))
                header = _final(page, number + 1)
                taken.append(time.perf_counter() - begun)
    except (OSError, TimeoutError) as error:
        raise EngineUnavailable(f"/live does not answer ({error}).") from None
    timings = header["timings"]
    return Times(
        ready,
        first=taken[0],
        next=taken[1],
        decode=timings.get("decode", 0.0) / 1000 or QUICK_DECODER,
        encode=timings.get("encode", 0.0) / 1000,
        size=(header["width"], header["height"]),
        steps=header["num_inference_steps"],
        getting_faster=str(status.get("tier", "")).endswith(GETTING_FASTER),
    )


def _wait_ready(demo: RunningDemo) -> dict[str, Any]:
    end = time.perf_counter() + LOAD_SECONDS
    while time.perf_counter() < end:
        status = demo.status()
        if "state" not in status:
            raise EngineUnavailable("it asks for a login, so that nothing can be measured.")
        if status["state"] == "ready" and not status["loading_model"]:
            return status
        if status["state"] != "loading" and not status["loading_model"]:
            raise EngineUnavailable(status["detail"] or "the model is not there.")
        time.sleep(0.1)
    raise EngineUnavailable(f"the model has not loaded within {LOAD_SECONDS:g} s.")


def _final(page: Any, sequence: int) -> dict[str, Any]:
    """The header of the finished picture."""
    end = time.perf_counter() + PICTURE_SECONDS
    while True:
        content = page.recv(timeout=max(0.0, end - time.perf_counter()))
        if isinstance(content, str):
            message = json.loads(content)
            if message["type"] == "error":
                raise EngineUnavailable(message["message"])
            continue
        header, _ = split_frame(content)
        if header["sequence"] == sequence and header["final"]:
            return header
