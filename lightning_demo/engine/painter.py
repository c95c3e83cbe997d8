"""Takes requests one step further together: what the worker does with the device.

Everything that concerns several requests is tried for all at once. Where that fails it is tried
for halves of them, down to the one whose fault it is: only that request fails. Where the memory
does not hold so many rows, there are fewer from then on.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ..errors import GenerationFailed, LightningError, OutOfMemory
from ..images import encode_jpeg
from ..schemas import Frame
from .batching import Entry, shows_preview
from .costs import Costs, Kind
from .job import Job
from .metrics import Metrics

if TYPE_CHECKING:
    from ..model.sampling.sampler import Sampler
    from ..model.sampling.step import Row

log = logging.getLogger(__name__)

Pixels: TypeAlias = np.ndarray[Any, np.dtype[np.uint8]]  # [height, width, 3]
Entries: TypeAlias = Sequence[Entry[Job]]


class Painter:
    """Paints batches of jobs with one sampler. Belongs to the thread of the device."""

    def __init__(
        self, sampler: Sampler, costs: Costs, metrics: Metrics, encoders: Executor
    ) -> None:
        """
        Args:
            costs: told how long each call takes, and asked how many rows may share one.
            encoders: where pictures are encoded, beside the device.
        """
        self._sampler, self._costs, self._metrics = sampler, costs, metrics
        self._encoders = encoders

    def advance(
        self, batch: Entries, took: Callable[[Entries, float], None], crowded: bool
    ) -> None:
        """One step of every job, and the pictures that come of it.

        Args:
            batch: of one step count and one size; those new to the device are begun first.
            took: told which of them have taken the step, and seconds.
            crowded: whether others wait.
        """
        self._begin([entry for entry in batch if entry.item.row is None])
        rows = [entry for entry in batch if not entry.item.over]
        if rows:
            self._tried("step", rows, lambda part: took(part, self._step(part)))
        stepped = [entry for entry in rows if not entry.item.over and not entry.item.closed]
        done = [entry for entry in stepped if _row(entry).done]
        for entry in done:
            entry.item.lap("steps")
        for draft in (True, False):
            self._show([entry for entry in done if entry.draft is draft], final=True)
        self._show(
            [
                entry
                for entry in stepped
                if not _row(entry).done
                and entry.item.wants_preview()
                and shows_preview(_row(entry).step, draft=entry.draft, crowded=crowded)
            ],
            final=False,
        )

    def _begin(self, new: Entries) -> None:
        if not new:
            return
        for entry in new:
            self._metrics.queued(entry.item.lap("queue") / 1000)
        begun = time.perf_counter()
        try:
            encoded = self._sampler.prepare([entry.item.request for entry in new])
            if encoded:
                self._metrics.embedded(encoded, time.perf_counter() - begun)
        except Exception:  # begun one by one, it will be seen whose fault it is
            log.warning("prompts could not be encoded together", exc_info=True)
        for entry in new:
            job = entry.item
            try:
                job.row = self._sampler.begin(job.request)
                job.notes = self._sampler.notes(job.row)
            except Exception as error:
                self.fail(job, error)
            job.lap("embed")

    def _step(self, batch: Entries) -> float:
        """The UNet call, with what it takes; the seconds that it took."""
        begun = time.perf_counter()
        self._sampler.step([_row(entry) for entry in batch])
        self._sampler.synchronize()
        seconds = time.perf_counter() - begun
        rows = sum(entry.rows for entry in batch)
        self._costs.observe("step", batch[0].size, rows, seconds)
        self._metrics.stepped(len(batch), seconds)
        return seconds

    def _show(self, entries: Entries, *, final: bool) -> None:
        """Decodes and sends pictures, as many in one call as is worthwhile."""
        if not entries:
            return
        kind: Kind = entries[0].decoder if final else "preview"
        together = self._costs.cap(kind, entries[0].size)
        for start in range(0, len(entries), together):
            # Who has been superseded meanwhile needs no picture.
            part = [e for e in entries[start : start + together] if not e.item.closed]
            if part:
                self._tried(kind, part, lambda part: self._decode(part, kind, final))

    def _decode(self, part: Entries, kind: Kind, final: bool) -> None:
        begun = time.perf_counter()
        rows = [_row(entry) for entry in part]
        pictures = self._sampler.finals(rows) if kind == "decoder" else self._sampler.previews(rows)
        seconds = time.perf_counter() - begun
        self._costs.observe(kind, part[0].size, len(part), seconds)
        self._metrics.decoded("decoder" if kind == "decoder" else "preview", len(part), seconds)
        for entry, pixels in zip(part, pictures, strict=True):
            self._send(entry.item, pixels, final)

    def _tried(self, kind: Kind, batch: Entries, call: Callable[[Entries], None]) -> None:
        """Calls with the whole batch; where that fails, with halves of it."""
        try:
            call(batch)
        except Exception as error:
            if isinstance(error, OutOfMemory):
                rows = sum(entry.rows for entry in batch) if kind == "step" else len(batch)
                self._costs.lower(kind, batch[0].size, rows)
            if len(batch) == 1:
                self.fail(batch[0].item, error)
                return
            log.warning("%d rows failed together and are tried apart: %s", len(batch), error)
            middle = len(batch) // 2
            self._tried(kind, batch[:middle], call)
            self._tried(kind, batch[middle:], call)

    def fail(self, job: Job, error: Exception) -> None:
        """Ends a job with an error in words for its user."""
        self._metrics.failed()
        if not isinstance(error, LightningError):
            # The user gets a number to quote, the log gets everything.
            incident = secrets.token_hex(4)
            log.error("request failed, incident %s", incident, exc_info=error)
            error = GenerationFailed(f"This picture could not be painted (incident {incident}).")
        job.fail(error)

    def _send(self, job: Job, pixels: Pixels, final: bool) -> None:
        """Encodes beside the worker and hands the frame to the job."""
        assert job.row is not None  # noqa: S101
        step, first = job.row.step, not job.shown
        job.shown = step
        if final:
            job.lap("decode")
            job.over = True
        else:
            job.preview_sent()
        timings = dict(job.timings)

        def encode() -> None:
            begun = job.age_ms()
            try:
                data = encode_jpeg(pixels)
            except Exception as error:
                self.fail(job, error)
                return
            timings["encode"] = job.age_ms() - begun
            timings["total"] = job.age_ms()
            self._metrics.encoded(timings["encode"] / 1000)
            if first:
                self._metrics.first_paint(timings["total"] / 1000)
            if final:
                self._metrics.finished(timings["total"] / 1000)
            job.deliver(
                Frame(
                    request=job.request,
                    data=data,
                    media_type="image/jpeg",
                    step=step,
                    final=final,
                    pixels=pixels,
                    timings=timings,
                    notes=job.notes,
                )
            )

        self._encoders.submit(encode)


def _row(entry: Entry[Job]) -> Row:
    assert entry.item.row is not None  # noqa: S101
    return entry.item.row
