"""The engine of one process: one worker thread that owns the device.

Loading, prompts, steps and decoding all happen on that thread, so the device never does two things
at once; encoding to JPEG happens beside it. Requests of different sessions share UNet calls as
`batching` says. Knows no HTTP and no sessions, and imports torch only through the sampler that it
is given a loader for: until that is there, requests wait in line.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from ..errors import EngineUnavailable, LightningError
from ..schemas import EngineState, EngineStatus, Frame, GenerationRequest
from .base import Forecast, Place
from .batching import Batcher, Entry
from .calibrate import Calibration
from .costs import Costs
from .job import Job
from .metrics import Metrics
from .painter import Entries, Painter

if TYPE_CHECKING:
    from ..model.sampling.sampler import Sampler

log = logging.getLogger(__name__)

Loader = Callable[[Callable[[float, str], None]], "Sampler"]

MAX_WAITING = 512
ENCODE_THREADS = 2
WORKER_NAME = "engine"
STOP_SECONDS = 10.0
IDLE_SECONDS = 2.0  # without a request, before a moment is taken to get faster


class LocalEngine:
    """Paints requests together where that is worthwhile, who has waited longest first."""

    def __init__(
        self,
        load: Loader,
        about: EngineStatus,
        *,
        metrics: Metrics | None = None,
        costs: Costs | None = None,
    ) -> None:
        """Starts the worker thread, which loads the model first.

        Args:
            load: makes the sampler; called once, on the worker thread, with a function that
                takes (fraction, sentence) as loading goes on.
            about: what is known of the model before it is loaded.
            metrics: told what happens.
            costs: what calls take; measured at the start unless it has been.
        """
        self._load = load
        self._about = replace(about, state="loading", progress=0.0)
        self._metrics = metrics or Metrics()
        self._costs = Costs() if costs is None else costs
        self._batcher: Batcher[Job] = Batcher(self._costs)
        self._changed = threading.Condition()
        self._closing = False
        self._encoders = ThreadPoolExecutor(ENCODE_THREADS, thread_name_prefix="encode")
        self._worker = threading.Thread(target=self._work, name=WORKER_NAME, daemon=True)
        self._worker.start()

    def status(self) -> EngineStatus:
        """See `Engine.status`."""
        with self._changed:
            waiting = sum(not (e.started or e.item.closed) for e in self._batcher)
            return replace(self._about, waiting=waiting)

    def forecast(
        self, request: GenerationRequest, *, place: Place | None = None, draft: bool = False
    ) -> Forecast | None:
        """See `Engine.forecast`."""
        with self._changed:
            if self._about.state != "ready":
                return None
            self._prune(waiting=True)
            standing = place is not None and place.since is not None
            for entry in self._batcher if standing else ():
                if entry.item.place is place and not entry.started:
                    return self._batcher.forecast(entry)
            return self._batcher.forecast(self._entry(Job(request, place or Place(), draft=draft)))

    async def generate(
        self, request: GenerationRequest, *, place: Place | None = None, draft: bool = False
    ) -> AsyncGenerator[Frame, None]:
        """See `Engine.generate`."""
        job = Job(request, place or Place(), asyncio.get_running_loop(), draft=draft)
        self._admit(job)
        try:
            while True:
                frame = await job.next_frame()
                yield frame
                if frame.final:
                    return
        finally:
            job.close()

    async def aclose(self) -> None:
        """See `Engine.aclose`."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        # A step ends soon; loading may take minutes and is left to end with the process.
        patience = 0.1 if self._about.state == "loading" else STOP_SECONDS
        await asyncio.get_running_loop().run_in_executor(None, self._worker.join, patience)
        if self._worker.is_alive():
            self._end("closed", "The engine has stopped.")
        self._encoders.shutdown()

    # The line ---------------------------------------------------------------------------------

    def _admit(self, job: Job) -> None:
        with self._changed:
            if self._about.state in ("failed", "closed") or self._closing:
                raise EngineUnavailable(self._about.detail or "The engine has stopped.")
            self._prune(waiting=True)
            if self._batcher.waiting >= MAX_WAITING:
                raise EngineUnavailable(
                    f"{MAX_WAITING} pictures are waiting already; try again in a moment."
                )
            if job.place.since is None:
                job.place.since = time.monotonic()
            self._batcher.add(self._entry(job))
            self._changed.notify_all()

    def _entry(self, job: Job) -> Entry[Job]:
        request = job.request
        since = job.place.since
        return Entry(
            job,
            request.num_inference_steps,
            self._about.limits.nearest_size(request.width, request.height),
            steps=request.num_inference_steps,
            since=time.monotonic() if since is None else since,
            rows=2 if request.guidance_scale > 1 else 1,
            client=job.place.client,
            draft=job.draft,
        )

    def _prune(self, *, waiting: bool = False) -> None:
        """Drops who has gone, and looks at the places of those who wait again.

        Who has ended already was dropped by the worker. A place becomes earlier when somebody
        joins a request that has waited for longer (see `shared`).

        Args:
            waiting: only out of the line: who has begun may be in a step at this moment, which
                is counted only when it is over.
        """
        gone = self._batcher.keep(lambda e: not e.item.closed or (waiting and e.started))
        for entry in gone:
            if not entry.item.over:
                taken = 0 if entry.item.row is None else entry.item.row.step
                self._metrics.superseded(taken - entry.item.shown)
        for entry in self._batcher:
            place = entry.item.place
            if not entry.started and place.since is not None:
                entry.since, entry.client = place.since, place.client

    def _next(self, patience: float | None) -> list[Entry[Job]]:
        """The jobs that take a step now; waits for one.

        Empty when the engine closes, or nobody asked for `patience` seconds.
        """
        with self._changed:
            while not self._closing:
                self._prune()
                batch = self._batcher.next()
                for entry in batch:
                    entry.started = True
                    entry.item.place.since = None
                self._metrics.waiting(self._batcher.waiting)
                if batch:
                    return batch
                if not self._changed.wait(patience):
                    return []
            return []

    def _end(self, state: EngineState, detail: str) -> None:
        with self._changed:
            self._about = replace(self._about, state=state, detail=detail, progress=None)
            line = list(self._batcher)
            self._batcher = Batcher(self._costs)  # which holds on to no sampler
        for entry in line:
            entry.item.fail(EngineUnavailable(detail))

    # The worker -------------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            sampler = self._load(self._report)
            if self._closing:
                return
            self._report(0.95, "Warming up")
            sampler.warm_up()
            calibration = Calibration(sampler, self._costs)
            if not any(self._costs):
                calibration.first()
        except Exception as error:
            known = isinstance(error, LightningError)
            log.error("the model could not be loaded: %s", error, exc_info=not known)
            detail = str(error) if known else f"The model could not be loaded ({error})."
            self._end("failed", detail)
            return
        with self._changed:
            if self._closing:
                return
            self._batcher.bringing = sampler.seconds_to_bring
            self._about = replace(
                self._about,
                state="ready",
                device=sampler.device_name,
                detail="",
                progress=None,
                tier=sampler.tier,
            )
        log.info("ready: %s on %s", self._about.title, self._about.device)
        self._serve(sampler, calibration)
        self._end("closed", "The engine has stopped.")

    def _serve(self, sampler: Sampler, calibration: Calibration) -> None:
        painter = Painter(sampler, self._costs, self._metrics, self._encoders)
        improving = True
        while not self._closing:
            batch = self._next(IDLE_SECONDS if improving else None)
            if batch:
                with self._changed:
                    crowded = len(self._batcher) > len(batch)
                try:
                    painter.advance(batch, self._took, crowded)
                except Exception as error:  # the worker goes on whatever happens
                    for entry in batch:
                        painter.fail(entry.item, error)
                with self._changed:
                    self._batcher.keep(lambda entry: not entry.item.over)
            elif improving and not self._closing:
                improving = sampler.improve() or calibration.another()
            if self._tell_tier(sampler.tier):
                calibration.first()
                improving = True

    def _took(self, part: Entries, seconds: float) -> None:
        with self._changed:
            self._batcher.took(part, seconds)

    def _report(self, fraction: float, sentence: str) -> None:
        with self._changed:
            self._about = replace(self._about, progress=fraction, detail=sentence)

    def _tell_tier(self, tier: str) -> bool:
        """Says how fast the model runs by now; whether that is news."""
        if tier == self._about.tier:
            return False
        with self._changed:
            self._about = replace(self._about, tier=tier)
        return True
