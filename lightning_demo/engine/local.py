"""The engine of one process: one worker thread that owns the device.

Loading, prompts, steps and decoding all happen on that thread, so the device never does two things
at once; encoding to JPEG happens beside it. Knows no HTTP and no sessions, and imports torch only
through the sampler that it is given a loader for: until that is there, requests wait in line.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
import secrets
import threading
import time
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import EngineUnavailable, GenerationFailed, LightningError
from ..images import encode_jpeg
from ..schemas import EngineState, EngineStatus, Frame, GenerationRequest
from .base import Place
from .job import Job

if TYPE_CHECKING:
    from ..model.sampling import Sampler

log = logging.getLogger(__name__)

Loader = Callable[[Callable[[float, str], None]], "Sampler"]

MAX_WAITING = 512
ENCODE_THREADS = 2
WORKER_NAME = "engine"
STOP_SECONDS = 10.0
IDLE_SECONDS = 2.0  # without a request, before a moment is taken to get faster


class LocalEngine:
    """Paints requests one after another, the one that has waited longest first."""

    def __init__(self, load: Loader, about: EngineStatus) -> None:
        """Starts the worker thread, which loads the model first.

        Args:
            load: makes the sampler; called once, on the worker thread, with a function that
                takes (fraction, sentence) as loading goes on.
            about: what is known of the model before it is loaded.
        """
        self._load = load
        self._about = replace(about, state="loading", progress=0.0)
        self._line: list[tuple[float, int, Job]] = []
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._closing = False
        self._encoders = ThreadPoolExecutor(ENCODE_THREADS, thread_name_prefix="encode")
        self._worker = threading.Thread(target=self._work, name=WORKER_NAME, daemon=True)
        self._worker.start()

    def status(self) -> EngineStatus:
        """See `Engine.status`."""
        with self._changed:
            waiting = sum(not job.closed for _, _, job in self._line)
            return replace(self._about, waiting=waiting)

    async def generate(
        self, request: GenerationRequest, *, place: Place | None = None
    ) -> AsyncGenerator[Frame, None]:
        """See `Engine.generate`."""
        job = Job(request, place or Place(), asyncio.get_running_loop())
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

    def _admit(self, job: Job) -> None:
        with self._changed:
            if self._about.state in ("failed", "closed") or self._closing:
                raise EngineUnavailable(self._about.detail or "The engine has stopped.")
            self._line = [entry for entry in self._line if not entry[2].closed]
            if len(self._line) >= MAX_WAITING:
                heapq.heapify(self._line)
                raise EngineUnavailable(
                    f"{MAX_WAITING} pictures are waiting already; try again in a moment."
                )
            if job.place.since is None:
                job.place.since = time.monotonic()
            self._line.append((job.place.since, next(self._order), job))
            heapq.heapify(self._line)
            self._changed.notify_all()

    def _work(self) -> None:
        try:
            sampler = self._load(self._report)
            if self._closing:
                return
            self._report(0.95, "Warming up")
            sampler.warm_up()
        except Exception as error:
            known = isinstance(error, LightningError)
            log.error("the model could not be loaded: %s", error, exc_info=not known)
            detail = str(error) if known else f"The model could not be loaded ({error})."
            self._end("failed", detail)
            return
        with self._changed:
            if self._closing:
                return
            self._about = replace(
                self._about,
                state="ready",
                device=sampler.device_name,
                detail="",
                progress=None,
                tier=sampler.tier,
            )
        log.info("ready: %s on %s", self._about.title, self._about.device)
        improving = True
        while not self._closing:
            job = self._next(IDLE_SECONDS if improving else None)
            if job is not None:
                self._paint(sampler, job)
            elif improving and not self._closing:
                improving = sampler.improve()
            self._tell_tier(sampler.tier)
        self._end("closed", "The engine has stopped.")

    def _report(self, fraction: float, sentence: str) -> None:
        with self._changed:
            self._about = replace(self._about, progress=fraction, detail=sentence)

    def _tell_tier(self, tier: str) -> None:
        if tier != self._about.tier:
            with self._changed:
                self._about = replace(self._about, tier=tier)

    def _next(self, patience: float | None) -> Job | None:
        """The job that has waited longest; waits for one.

        None when the engine closes, or nobody asked for `patience` seconds.
        """
        with self._changed:
            while not self._closing:
                while self._line:
                    _, _, job = heapq.heappop(self._line)
                    if not job.closed:
                        job.place.since = None
                        return job
                if not self._changed.wait(patience):
                    return None
            return None

    def _end(self, state: EngineState, detail: str) -> None:
        with self._changed:
            self._about = replace(self._about, state=state, detail=detail, progress=None)
            line, self._line = self._line, []
        for _, _, job in line:
            job.fail(EngineUnavailable(detail))

    def _paint(self, sampler: Sampler, job: Job) -> None:
        try:
            self._steps(sampler, job)
        except LightningError as error:
            job.fail(error)
        except Exception:
            # The user gets a number to quote, the log gets everything.
            incident = secrets.token_hex(4)
            log.exception("request failed, incident %s", incident)
            job.fail(GenerationFailed(f"This picture could not be painted (incident {incident})."))

    def _steps(self, sampler: Sampler, job: Job) -> None:
        timings = {"queue": job.age_ms()}
        row = sampler.begin(job.request)
        timings["embed"] = job.age_ms() - timings["queue"]
        notes = sampler.notes(row)
        while True:
            sampler.step([row])
            if job.closed:
                return
            if self._closing:
                raise EngineUnavailable("The engine is stopping.")
            if row.done:
                break
            if job.wants_preview():
                self._send(job, sampler.preview(row), row.step, False, dict(timings), notes)
        timings["steps"] = job.age_ms() - sum(timings.values())
        pixels = sampler.finish(row)
        timings["decode"] = job.age_ms() - sum(timings.values())
        self._send(job, pixels, row.step, True, timings, notes)

    def _send(
        self,
        job: Job,
        pixels: np.ndarray[Any, np.dtype[np.uint8]],
        step: int,
        final: bool,
        timings: dict[str, float],
        notes: tuple[str, ...],
    ) -> None:
        """Encodes beside the worker and hands the frame to the job."""

        def encode() -> None:
            begun = job.age_ms()
            try:
                data = encode_jpeg(pixels)
            except Exception as error:
                log.exception("encoding failed")
                job.fail(GenerationFailed(f"This picture could not be encoded ({error})."))
                return
            timings["encode"] = job.age_ms() - begun
            timings["total"] = job.age_ms()
            job.deliver(
                Frame(
                    request=job.request,
                    data=data,
                    media_type="image/jpeg",
                    step=step,
                    final=final,
                    pixels=pixels,
                    timings=timings,
                    notes=notes,
                )
            )

        self._encoders.submit(encode)
