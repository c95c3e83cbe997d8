"""The engine of one process: a thread around the core, which owns the device.

Loading, prompts, steps and previews all happen on that thread; on a CPU with cores to spare,
finished pictures are decoded on a second one. JPEGs are encoded on threads of their own. Knows no
HTTP and no sessions, and imports torch only by way of the loader that it is given: requests wait
until that has made a sampler.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from ..errors import DeviceLost, EngineUnavailable, report_incident
from ..schemas import EngineState, EngineStatus, Frame
from .base import NOT_LOADED, STOP_SECONDS, STOPPED, Forecast, Stream, Work, failure_detail
from .calibrate import Calibration
from .core import EngineCore
from .events import Called, Dropped, Event, Failed, Painted, Scheduled
from .in_flight import InFlightRequest
from .latency_model import LatencyModel
from .metrics import Metrics
from .reader import Reader
from .runner import SamplerRunner
from .watchdog import HUNG_SECONDS, TICK_SECONDS, Watchdog

if TYPE_CHECKING:
    from ..model.sampling.sampler import Sampler

log = logging.getLogger(__name__)

Loader = Callable[[Callable[[float, str], None]], "Sampler"]

ENCODE_THREADS = 2
WORKER_NAME = "engine"
DECODER_NAME = "decode"
IDLE_SECONDS = 2.0
MEASURING_SECONDS = 0.25  # the same between single calls, which hold nobody up for long

# Freeing page-locked memory that a lost GPU was copying from ends the process, stand-in and all.
_LOST: list[object] = []


class LocalEngine:
    """Paints requests together where that is worthwhile, the longest waiting first."""

    def __init__(
        self,
        load: Loader,
        about: EngineStatus,
        *,
        metrics: Metrics | None = None,
        latency_model: LatencyModel | None = None,
        idle_seconds: float | None = IDLE_SECONDS,
        hung_seconds: float = HUNG_SECONDS,
        tick_seconds: float = TICK_SECONDS,
    ) -> None:
        """Starts the thread, which loads the model first.

        Args:
            load: makes the sampler; called once, on the thread, with a function that takes
                (fraction, sentence) as loading goes on.
            about: what is known of the model before it is loaded.
            metrics: told what happens.
            latency_model: what calls take; measured at the start unless it has been.
            idle_seconds: without a request, until the time is used to get faster; None: never.
            hung_seconds, tick_seconds: see `Watchdog`.
        """
        self._load = load
        self._about = replace(about, state="loading", progress=0.0)  # written by the thread alone
        self._ended: tuple[EngineState, str] | None = None  # the state, and why; said once
        self._metrics = metrics or Metrics()
        self._core = EngineCore(about.limits, latency_model or LatencyModel())
        self._readers: dict[InFlightRequest, Reader] = {}
        self._wake = threading.Event()  # somebody asks, or it is time to stop
        self._closing = False
        self._idle_seconds = idle_seconds
        self._encoders = ThreadPoolExecutor(ENCODE_THREADS, thread_name_prefix="encode")
        self._decoder = ThreadPoolExecutor(1, thread_name_prefix=DECODER_NAME)
        self._improves = False  # a quiet moment is being used, which may take minutes
        self._hung = False
        self._watchdog = Watchdog(
            self._expected, self._hang, hung_seconds=hung_seconds, tick_seconds=tick_seconds
        )
        self._thread = threading.Thread(target=self._work, name=WORKER_NAME, daemon=True)
        self._thread.start()

    def status(self) -> EngineStatus:
        """See `Engine.status`."""
        about = replace(self._about, waiting=self._core.waiting, yielding=self._core.yielding)
        if self._ended is None:
            return about
        state, detail = self._ended
        return replace(about, state=state, detail=detail, progress=None)

    def forecast(self, work: Work) -> Forecast | None:
        """See `Engine.forecast`."""
        if self._ended is not None or self._about.state != "ready":
            return None
        return self._core.forecast(work, time.monotonic())

    def amend(self, work: Work, amended: Work) -> None:
        """See `Engine.amend`."""
        request = self._core.amend(work, amended)
        self._wake.set()
        if request is not None and (reader := self._readers.get(request)):
            reader.counts = not amended.ahead
            if work.ahead and not amended.ahead:
                reader.restart()

    async def generate(self, work: Work) -> Stream:
        """See `Engine.generate`."""
        self._refuse_when_stopped()
        request = self._core.request(work, time.monotonic())
        reader = self._readers[request] = Reader(work, self._metrics)
        try:
            self._core.admit(request)
            self._wake.set()
            # Again: had it stopped just before `admit`, nobody would answer this request.
            self._refuse_when_stopped()
            async for value in reader.values:
                if isinstance(value, Frame):
                    self._core.take(request)
                yield value
        finally:
            reader.closed = True
            self._core.drop(request)
            self._readers.pop(request, None)
            self._wake.set()

    async def aclose(self) -> None:
        """See `Engine.aclose`."""
        self._closing = True
        self._wake.set()
        self._watchdog.close()
        # A step ends soon; loading may take minutes, and what hangs never ends: both are left to
        # end with the process.
        lasts = self._hung or self._about.state == "loading"
        patience = 0.1 if lasts else STOP_SECONDS
        end = time.monotonic() + patience
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self._thread.join, patience)
        if self._thread.is_alive():
            self._end("closed", STOPPED)
        # A large picture is decoded for seconds; the loop goes on meanwhile.
        stopping = loop.run_in_executor(None, self._stop_pools)
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.shield(stopping), max(0.1, end - time.monotonic()))

    def _stop_pools(self) -> None:
        self._decoder.shutdown(wait=not self._hung, cancel_futures=True)
        self._encoders.shutdown()

    def _refuse_when_stopped(self) -> None:
        if self._closing or self._ended is not None:
            raise EngineUnavailable(STOPPED if self._ended is None else self._ended[1])

    # On the thread --------------------------------------------------------------------------

    def _work(self) -> None:
        """Loads, serves, and whatever ends it: says so and answers everybody who waits."""
        sampler = None
        try:
            sampler = self._load(self._report)
            if not self._closing:
                self._serve(sampler)
            self._end("closed", STOPPED)
        except BaseException as error:  # also what ends a thread without a word
            if isinstance(error, DeviceLost):
                _LOST.append(sampler)
            loading = self._about.state == "loading"
            sentence = NOT_LOADED if loading else "The engine has failed"
            self._end("failed", failure_detail(error, sentence, log))
        finally:
            self._watchdog.close()
            # Lets go of the model and all latents.
            self._core = EngineCore(self._about.limits, self._core.latency_model)

    def _serve(self, sampler: Sampler) -> None:
        self._report(0.95, "Warming up")
        sampler.warm_up()
        calibration = Calibration(sampler, self._core.latency_model)
        if not any(self._core.latency_model):
            calibration.first()
        beside = self._decoder if sampler.decodes_beside else None
        self._core.start(SamplerRunner(sampler, beside=beside, wake=self._wake.set))
        self._about = replace(
            self._about,
            state="ready",
            device=sampler.device_name,
            detail="",
            progress=None,
            tier=sampler.tier,
        )
        log.info("ready: %s on %s", self._about.title, self._about.device)
        self._watchdog.start()
        improving, form = True, sampler.form
        while True:
            self._wake.clear()
            # After `clear`: whoever closes sets the flag before it wakes this thread.
            if self._closing or self._hung:
                return
            if not self._core.idle:
                for event in self._core.step():
                    self._watchdog.beat()
                    self._handle(event)
                self._metrics.waiting(self._core.waiting)
                improving = True  # what was asked may be new to it, too
                if self._core.only_decodes:
                    self._wake.wait()
            elif not self._wake.wait(self._pause(calibration) if improving else None):
                self._improves = True
                improving = _improve(sampler, calibration)
                self._improves = False
                self._watchdog.beat()
            if sampler.tier != self._about.tier:
                self._about = replace(self._about, tier=sampler.tier)
            if sampler.form != form:  # faster than before: other batches are worthwhile
                form, improving = sampler.form, True
                if self._core.idle:
                    calibration.begin_anew()
                else:  # a program has failed: nobody knows when it will be quiet
                    calibration.first()
                self._watchdog.beat()

    def _pause(self, calibration: Calibration) -> float | None:
        """Seconds without a request until the next thing is done that makes it faster."""
        if self._idle_seconds is None or not calibration.under_way:
            return self._idle_seconds
        return min(self._idle_seconds, MEASURING_SECONDS)

    def _expected(self) -> float | None:
        """See `Watchdog`; on its thread."""
        core = self._core
        return None if core.idle or self._improves else core.longest_call

    def _hang(self, sentence: str) -> None:
        """Gives up what will not go on; on the watchdog's thread."""
        log.error("the engine ends: %s", sentence)
        self._ended = self._ended or ("failed", sentence)  # or its thread says "closed"
        self._hung = True
        self._end("failed", sentence)
        self._wake.set()

    def _handle(self, event: Event) -> None:
        """Tells the reader and the metrics what has happened."""
        match event:
            case Called():
                self._called(event)
            case Dropped(request):
                if request.work.ahead:
                    if not request.work.attract:
                        self._metrics.guessed("given_up")
                else:
                    self._metrics.superseded(event.wasted_steps, request.work.origin)
                self._readers.pop(request, None)
            case Scheduled(request):
                if reader := self._reader(request):
                    waited = reader.lap("queue") / 1000
                    if reader.counts:
                        self._metrics.queued(waited)
                    reader.start()
            case Failed(request, error):
                if not request.work.ahead:
                    self._metrics.failed(request.work.origin)
                if reader := self._readers.pop(request, None):
                    reader.fail(error)
            case Painted(request=request):
                if reader := self._reader(request):
                    if event.final:
                        reader.lap("decode")
                    self._encoders.submit(self._send, reader, event, dict(reader.timings))
                    if event.final:
                        self._readers.pop(request, None)

    def _reader(self, request: InFlightRequest) -> Reader | None:
        """Who reads a request; one whose reader's loop is gone is dropped."""
        reader = self._readers.get(request)
        if reader is not None and reader.closed:
            self._core.drop(request)
        return reader

    def _called(self, call: Called) -> None:
        match call.kind:
            case "prompt":
                if call.rows:
                    self._metrics.embedded(call.rows, call.seconds)
            case "step" if all(request.work.ahead for request in call.batch):
                self._metrics.stepped_ahead()
            case "step":
                self._metrics.stepped((r.work.origin for r in call.batch), call.seconds)
            case decoder:
                self._metrics.decoded(decoder, call.rows, call.seconds)
                return
        for request in call.batch:
            if reader := self._reader(request):
                if call.kind == "prompt":
                    reader.timings["embed"] = 1000 * call.seconds
                elif not request.steps_left:
                    reader.lap("steps")

    def _send(self, reader: Reader, painted: Painted, timings: dict[str, float]) -> None:
        """On a thread of its own."""
        try:
            reader.send(painted, timings, first=painted.first)
        except Exception as error:
            self._metrics.failed(painted.request.work.origin)
            reader.fail(report_incident(error, "This picture could not be encoded", log))

    def _end(self, state: EngineState, detail: str) -> None:
        self._ended = self._ended or (state, detail)
        _, first = self._ended
        for request in self._core.in_flight:
            self._core.drop(request)
            if reader := self._readers.get(request):
                reader.fail(EngineUnavailable(first))

    def _report(self, fraction: float, sentence: str) -> None:
        self._about = replace(self._about, progress=fraction, detail=sentence)


def _improve(sampler: Sampler, calibration: Calibration) -> bool:
    """Uses a quiet moment to get faster; whether there is more to do."""
    try:
        if calibration.under_way:  # after a short pause: nothing longer than a single call
            return calibration.go_on()
        return sampler.improve() or calibration.another() or sampler.has_more
    except DeviceLost:
        raise
    except Exception:
        log.exception("what was tried in a quiet moment failed; serving goes on")
        return False
