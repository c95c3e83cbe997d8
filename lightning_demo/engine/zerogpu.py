"""The engine of a ZeroGPU Space, where Hugging Face lends a GPU for each picture.

CUDA exists only inside a `@spaces.GPU` function, which runs in a process forked from this one; here
`spaces` makes torch believe in a GPU, so that the model can be put on it before the fork. That
belief holds in the thread that imports `spaces`, hence the model is loaded by the constructor and
not on a thread of its own. Source: the package `spaces` 0.51 (spaces/zero). ZeroGPU knows Gradio
only, which is why this engine, unlike the others, knows it too.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import multiprocessing
import secrets
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import spaces
from gradio.context import LocalContext
from gradio.exceptions import Error as GradioError

from ..errors import EngineUnavailable, GenerationFailed, LightningError
from ..images import encode_jpeg
from ..schemas import EngineStatus, Frame, GenerationRequest
from .base import Forecast, Place
from .job import Job
from .local import MAX_WAITING, STOP_SECONDS, WORKER_NAME, Loader
from .metrics import Metrics

if TYPE_CHECKING:
    from ..model.sampling.sampler import Sampler

log = logging.getLogger(__name__)

# Asked for with each picture, and refused to whoever has less left today. Not measured: moving
# SDXL to the GPU takes seconds, its four steps less than one.
GPU_SECONDS = 15
AT_ONCE = 16  # pictures on GPUs or in ZeroGPU's own line, which decides whose turn it is


@dataclass(frozen=True, slots=True)
class Painted:
    """One picture as it comes out of the forked process, not yet encoded: that needs no GPU."""

    pixels: np.ndarray[Any, np.dtype[np.uint8]]  # [height, width, 3]
    step: int
    final: bool
    timings: dict[str, float]  # milliseconds by stage
    notes: tuple[str, ...]


Pictures = Generator[Painted | LightningError, None, None]


class ZeroGpuEngine:
    """Paints each request in a process that ZeroGPU gives a GPU, in the name of the visitor."""

    def __init__(
        self,
        load: Loader,
        about: EngineStatus,
        *,
        metrics: Metrics | None = None,
        at_once: int = AT_ONCE,
    ) -> None:
        """Loads the model.

        Args:
            load: makes the sampler.
            about: what is known of the model before it is loaded; its limits are kept.
            metrics: where to write what is measured outside the forked processes.
            at_once: requests handed to ZeroGPU at a time; more wait here, first come first served.
        """
        self._about = replace(about, patient=True)
        self._metrics = metrics or Metrics()
        self._sampler: Sampler | None = None
        self._lock = threading.Lock()
        self._waiting: set[Job] = set()
        self._closing = False
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix=WORKER_NAME)

        def paint(request: GenerationRequest) -> Pictures:
            assert self._sampler is not None  # noqa: S101
            yield from _paint(self._sampler, request)

        # Before loading, for ZeroGPU ends a Space that has no such function, and with it the page
        # that says what is wrong.
        self._paint: Callable[[GenerationRequest], Pictures]
        self._paint = spaces.GPU(duration=GPU_SECONDS)(paint)
        try:
            sampler = load(lambda fraction, sentence: log.info("%s", sentence))
            for steps in about.limits.num_inference_steps:
                sampler.unet(steps)
            self._sampler = sampler
            self._about = replace(self._about, state="ready", device=sampler.device_name)
        except Exception as error:
            known = isinstance(error, LightningError)
            log.error("the model could not be loaded: %s", error, exc_info=not known)
            detail = str(error) if known else f"The model could not be loaded ({error})."
            self._about = replace(self._about, state="failed", detail=detail)

    def status(self) -> EngineStatus:
        """See `Engine.status`."""
        with self._lock:
            waiting = sum(not job.closed for job in self._waiting)
            return replace(self._about, waiting=waiting)

    def forecast(
        self, request: GenerationRequest, *, place: Place | None = None, draft: bool = False
    ) -> Forecast | None:
        """Not known: whose turn it is, ZeroGPU decides."""
        return None

    async def generate(
        self, request: GenerationRequest, *, place: Place | None = None, draft: bool = False
    ) -> AsyncGenerator[Frame, None]:
        """See `Engine.generate`; every picture is whole, and ZeroGPU has a line of its own.

        Raises:
            EngineUnavailable: nobody is there to be asked for GPU time: only Gradio's events carry
                the visitor's token, a WebSocket or another route would spend that of the Space.
        """
        if LocalContext.request.get(None) is None:
            raise EngineUnavailable(
                "This Space paints only what is asked for on its page: press Enter there first."
            )
        job = Job(request, place or Place(), asyncio.get_running_loop())
        # `spaces` reads the visitor's token from the context in which its generator is first asked
        # for a value; a thread starts with an empty one. This copy is of the Gradio event that
        # submitted the request, which `LiveSession` runs its turns in.
        context = contextvars.copy_context()
        with self._lock:
            if self._closing or self._about.state != "ready":
                raise EngineUnavailable(self._about.detail or "The engine has stopped.")
            if len(self._waiting) >= MAX_WAITING:
                raise EngineUnavailable(
                    f"{MAX_WAITING} pictures are waiting already; try again in a moment."
                )
            self._waiting.add(job)
            self._threads.submit(context.run, self._work, job)
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
        with self._lock:
            self._closing = True
        loop = asyncio.get_running_loop()
        stopping = loop.run_in_executor(None, self._threads.shutdown)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.shield(stopping), STOP_SECONDS)
        # The forked processes wait for the next request; only `spaces` makes any here.
        for worker in multiprocessing.active_children():
            worker.terminate()
        with self._lock:
            self._about = replace(self._about, state="closed", detail="The engine has stopped.")

    def _work(self, job: Job) -> None:
        """One request, on a thread of the pool, from its turn to its end."""
        with self._lock:
            self._waiting.discard(job)
        try:
            if job.closed:
                self._metrics.superseded(0)
            else:
                self._stream(job)
        except Exception as error:
            self._metrics.failed()
            job.fail(_told(error))

    def _stream(self, job: Job) -> None:
        self._refuse_when_closing()
        # Closing the iterator tells the forked process to stop at its next step.
        with contextlib.closing(self._paint(job.request)) as pictures:
            for each in pictures:
                if job.closed:
                    self._metrics.superseded(
                        0 if isinstance(each, LightningError) else each.step - job.shown
                    )
                    return
                self._refuse_when_closing()
                if isinstance(each, LightningError):
                    raise each
                if each.final or job.wants_preview():
                    job.preview_sent()
                    self._deliver(job, each)

    def _refuse_when_closing(self) -> None:
        if self._closing:
            raise EngineUnavailable("The engine is stopping.")

    def _deliver(self, job: Job, painted: Painted) -> None:
        timings = dict(painted.timings)
        timings["queue"] = max(0.0, job.age_ms() - sum(timings.values()))
        begun = job.age_ms()
        data = encode_jpeg(painted.pixels)
        timings["encode"] = job.age_ms() - begun
        timings["total"] = job.age_ms()
        self._measure(job, painted, timings)
        job.deliver(
            Frame(
                request=job.request,
                data=data,
                media_type="image/jpeg",
                step=painted.step,
                final=painted.final,
                pixels=painted.pixels,
                timings=timings,
                notes=painted.notes,
            )
        )

    def _measure(self, job: Job, painted: Painted, timings: dict[str, float]) -> None:
        self._metrics.encoded(timings["encode"] / 1000)
        if not job.shown:
            self._metrics.first_paint(timings["total"] / 1000)
        job.shown = painted.step
        if painted.final:
            self._metrics.queued(timings["queue"] / 1000)
            self._metrics.finished(timings["total"] / 1000)


def _paint(sampler: Sampler, request: GenerationRequest) -> Pictures:
    """Paints in the forked process; an error is yielded, for `spaces` passes on only its name."""
    import torch

    # The threads that computed in the process before the fork do not exist in this one, and
    # OpenMP would wait for them for ever.
    torch.set_num_threads(1)
    try:
        yield from _steps(sampler, request)
    except LightningError as error:
        yield error
    except Exception as error:
        yield _failure(error)


def _steps(sampler: Sampler, request: GenerationRequest) -> Generator[Painted, None, None]:
    clock = _Clock()
    row = sampler.begin(request)
    timings = {"embed": clock.lap()}
    notes = sampler.notes(row)
    while True:
        sampler.step([row])
        if row.done:
            break
        yield Painted(sampler.preview(row), row.step, False, dict(timings), notes)
    timings["steps"] = clock.lap()
    pixels = sampler.finish(row)
    timings["decode"] = clock.lap()
    yield Painted(pixels, row.step, True, timings, notes)


class _Clock:
    """Milliseconds since the last lap."""

    def __init__(self) -> None:
        self._last = time.perf_counter()

    def lap(self) -> float:
        now = time.perf_counter()
        past, self._last = now - self._last, now
        return past * 1000


def _told(error: Exception) -> LightningError:
    if isinstance(error, LightningError):
        return error
    if isinstance(error, GradioError):  # what `spaces` says of quota and queue is for the visitor
        return EngineUnavailable(f"{error.title}: {error.message}")
    return _failure(error)


def _failure(error: Exception) -> GenerationFailed:
    """A number for the visitor to quote; the log gets everything."""
    incident = secrets.token_hex(4)
    log.error("request failed, incident %s", incident, exc_info=error)
    return GenerationFailed(f"This picture could not be painted (incident {incident}).")
