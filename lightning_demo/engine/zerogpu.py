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
import threading
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import spaces
from gradio.context import LocalContext
from gradio.exceptions import Error as GradioError

from ..errors import EngineUnavailable, LightningError, report_incident
from ..schemas import EngineStatus, GenerationRequest
from .base import (
    NOT_LOADED,
    NOT_PAINTED,
    STOP_SECONDS,
    STOPPED,
    Forecast,
    Stream,
    Work,
    check_room,
    failure_detail,
)
from .local import WORKER_NAME, Loader
from .metrics import Metrics
from .reader import Reader
from .runner import Picture, SamplerRunner

if TYPE_CHECKING:
    from ..model.sampling.sampler import Sampler

log = logging.getLogger(__name__)

# Asked for with each picture, and refused to whoever has less left today. Not measured: moving
# SDXL to the GPU takes seconds, its four steps less than one.
GPU_SECONDS = 15
AT_ONCE = 16  # pictures on GPUs or in ZeroGPU's own line, which decides whose turn it is


@dataclass(frozen=True, slots=True)
class Painted(Picture):
    """One picture as it comes out of the forked process, not yet encoded: that needs no GPU."""

    timings: dict[str, float]  # milliseconds by stage


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
        self._about = replace(about, submit_on_enter=True)
        self._metrics = metrics or Metrics()
        self._sampler: Sampler  # once it has been loaded
        self._lock = threading.Lock()
        self._waiting: set[Reader] = set()
        self._closing = False
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix=WORKER_NAME)

        def paint(request: GenerationRequest) -> Pictures:
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
            detail = failure_detail(error, NOT_LOADED, log)
            self._about = replace(self._about, state="failed", detail=detail)

    def status(self) -> EngineStatus:
        """See `Engine.status`."""
        with self._lock:
            return replace(self._about, waiting=len(self._waiting))

    def forecast(self, work: Work) -> Forecast | None:
        """Not known: whose turn it is, ZeroGPU decides."""
        return None

    def amend(self, work: Work, amended: Work) -> None:
        """Changes nothing: whose turn it is, ZeroGPU decides."""

    async def generate(self, work: Work) -> Stream:
        """See `Engine.generate`; every picture is whole, and ZeroGPU has a line of its own.

        Raises:
            EngineUnavailable: nobody is there to be asked for GPU time: only Gradio's events carry
                the visitor's token, a WebSocket or another route would spend that of the Space.
        """
        if LocalContext.request.get(None) is None:
            raise EngineUnavailable(
                "This Space paints only what is asked for on its page: press Enter there first."
            )
        reader = Reader(work, self._metrics)
        # `spaces` reads the visitor's token from the context in which its generator is first asked
        # for a value; a thread starts with an empty one. This copy is of the Gradio event that
        # submitted the request, which `LiveSession` runs its turns in.
        context = contextvars.copy_context()
        with self._lock:
            if self._closing or self._about.state != "ready":
                raise EngineUnavailable(self._about.detail or STOPPED)
            check_room(len(self._waiting))
            self._waiting.add(reader)
            self._threads.submit(context.run, self._work, reader)
        try:
            async for value in reader.values:
                reader.unread = False
                yield value
        finally:
            reader.closed = True
            with self._lock:
                self._waiting.discard(reader)

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
            self._about = replace(self._about, state="closed", detail=STOPPED)

    def _work(self, reader: Reader) -> None:
        """One request, on a thread of the pool, from its turn to its end."""
        with self._lock:
            self._waiting.discard(reader)
        try:
            if reader.closed:
                self._metrics.superseded(0)
            else:
                self._stream(reader)
        except Exception as error:
            self._metrics.failed()
            reader.fail(_explain(error))

    def _stream(self, reader: Reader) -> None:
        self._refuse_when_closing()
        reader.start()
        shown = 0
        # Closing the iterator tells the forked process to stop at its next step.
        with contextlib.closing(self._paint(reader.request)) as pictures:
            for each in pictures:
                if reader.closed:
                    self._metrics.superseded(
                        0 if isinstance(each, LightningError) else each.step - shown
                    )
                    return
                self._refuse_when_closing()
                if isinstance(each, LightningError):
                    raise each
                if each.final or not reader.unread:
                    reader.unread = True
                    queue = max(0.0, reader.age_ms() - sum(each.timings.values()))
                    reader.send(each, {"queue": queue, **each.timings}, first=not shown)
                    shown = each.step
                    if each.final:
                        self._metrics.queued(queue / 1000)

    def _refuse_when_closing(self) -> None:
        if self._closing:
            raise EngineUnavailable("The engine is stopping.")


def _paint(sampler: Sampler, request: GenerationRequest) -> Pictures:
    """Paints in the forked process; an error is yielded, for `spaces` passes on only its name."""
    import torch

    # The threads that computed in the process before the fork do not exist in this one, and
    # OpenMP would wait for them for ever.
    torch.set_num_threads(1)
    try:
        yield from _steps(SamplerRunner(sampler), request)
    except Exception as error:
        yield report_incident(error, NOT_PAINTED, log)


def _steps(runner: SamplerRunner, request: GenerationRequest) -> Generator[Painted, None, None]:
    (row,), _, seconds = runner.begin([request])
    if isinstance(row, Exception):
        raise row
    timings = {"embed": 1000 * seconds, "steps": 0.0}
    notes = runner.notes(row)
    while not row.done:
        timings["steps"] += 1000 * runner.step([row])
        if not row.done:
            (pixels,), _ = runner.decode("preview", [row])
            yield Painted(pixels, row.step, False, notes, {"embed": timings["embed"]})
    (pixels,), seconds = runner.decode("decoder", [row])
    yield Painted(pixels, row.step, True, notes, {**timings, "decode": 1000 * seconds})


def _explain(error: Exception) -> LightningError:
    if isinstance(error, GradioError):  # what `spaces` says of quota and queue is for the visitor
        return EngineUnavailable(f"{error.title}: {error.message}")
    return report_incident(error, NOT_PAINTED, log)
