"""What the device does for a batch of requests: encode, step, decode, each with its seconds."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

import numpy as np

from ..schemas import GenerationRequest
from .latency_model import Kind

if TYPE_CHECKING:
    from ..model.sampling.sampler import Sampler

log = logging.getLogger(__name__)

Pixels: TypeAlias = np.ndarray[Any, np.dtype[np.uint8]]  # [height, width, 3]
Decoded: TypeAlias = tuple[list[Pixels], float]  # pictures, and the seconds that they took
Row: TypeAlias = Any  # what a runner keeps of a request that has started; has its `step`


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of a request after so many steps."""

    pixels: Pixels
    step: int
    final: bool
    notes: tuple[str, ...]  # what the user should know about how the request was read


class Runner(Protocol):
    """A device with a model, or a table of what one takes."""

    def begin(
        self, requests: Sequence[GenerationRequest], *, asked: bool = True
    ) -> tuple[list[Row | Exception], int, float]:
        """Encodes prompts and draws noise.

        Args:
            asked: false where they are guesses at what will be asked for.

        Returns:
            A row or an error for each request, and of the prompts: how many were not known, and
            the seconds to encode them.
        """
        ...

    def step(self, rows: Sequence[Row]) -> float:
        """One step of rows of one step count and size; seconds."""
        ...

    def decode(self, kind: Kind, rows: Sequence[Row]) -> Decoded:
        """Pictures of rows of one size by the "decoder" or the "preview" decoder; seconds."""
        ...

    def decode_beside(self, rows: Sequence[Row]) -> Future[Decoded] | None:
        """Begins what `decode` does by the "decoder"; steps may be taken meanwhile.

        None where the device does one thing at a time. Such calls are done one after another;
        those that have not begun can be cancelled.
        """
        ...

    def interrupt(self, kind: Literal["unet", "decoder"]) -> None:
        """Ends the call of another thread early, with `Interrupted`, where that is possible.

        A "decoder" is what `decode_beside` does at this moment.
        """
        ...

    def notes(self, row: Row) -> tuple[str, ...]:
        """See `Picture.notes`."""
        ...

    def is_resident(self, num_inference_steps: int) -> bool:
        """Whether the UNet of a step count is on the device; may be asked at any time."""
        ...

    def seconds_to_load(self, num_inference_steps: int) -> float:
        """How long the UNet of a step count takes to the device; 0 when it is there."""
        ...


class SamplerRunner:
    """Runs batches with a sampler. Belongs to the thread of the device."""

    def __init__(
        self,
        sampler: Sampler,
        clock: Callable[[], float] | None = None,
        *,
        beside: ThreadPoolExecutor | None = None,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        """
        Args:
            beside: one thread that decodes while steps are taken; the sampler has to allow it.
            wake: called on that thread after each time.
        """
        self._sampler, self._clock = sampler, clock or time.perf_counter
        self._beside, self._wake = beside, wake

    def begin(
        self, requests: Sequence[GenerationRequest], *, asked: bool = True
    ) -> tuple[list[Row | Exception], int, float]:
        """See `Runner.begin`."""
        started, prompts = self._clock(), 0
        try:
            prompts = self._sampler.prepare(requests, asked=asked)
        except Exception:  # begun one by one, it will be seen whose fault it is
            log.warning("prompts could not be encoded together", exc_info=True)
        seconds = self._clock() - started
        return [self._begin_one(request) for request in requests], prompts, seconds

    def step(self, rows: Sequence[Row]) -> float:
        """See `Runner.step`."""
        started = self._clock()
        self._sampler.step(rows)
        self._sampler.synchronize()
        return self._clock() - started

    def decode(self, kind: Kind, rows: Sequence[Row]) -> Decoded:
        """See `Runner.decode`."""
        started = self._clock()
        call = self._sampler.finals if kind == "decoder" else self._sampler.previews
        return call(rows), self._clock() - started

    def decode_beside(self, rows: Sequence[Row]) -> Future[Decoded] | None:
        """See `Runner.decode_beside`."""
        if self._beside is None or not self._sampler.may_decode_beside(rows):
            return None
        decoding = self._beside.submit(self._decode_beside, rows)  # `step` has waited for them
        decoding.add_done_callback(lambda future: self._wake())
        return decoding

    def interrupt(self, kind: Literal["unet", "decoder"]) -> None:
        """See `Runner.interrupt`."""
        self._sampler.interrupt(kind)

    def notes(self, row: Row) -> tuple[str, ...]:
        """See `Runner.notes`."""
        return self._sampler.notes(row)

    def is_resident(self, num_inference_steps: int) -> bool:
        """See `Runner.is_resident`."""
        return self._sampler.is_resident(num_inference_steps)

    def seconds_to_load(self, num_inference_steps: int) -> float:
        """See `Runner.seconds_to_load`."""
        return self._sampler.seconds_to_bring(num_inference_steps)

    def _decode_beside(self, rows: Sequence[Row]) -> Decoded:
        with self._sampler.beside():
            return self.decode("decoder", rows)

    def _begin_one(self, request: GenerationRequest) -> Row | Exception:
        try:
            return self._sampler.begin(request)
        except Exception as error:
            return error
