"""An engine that is asked only once: finished frames are kept, and equal requests share a stream.

Undo, backspace and moving a slider back repaint without the model; what several people ask for at
the same time is painted once. Never imports torch.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Hashable
from contextlib import aclosing
from dataclasses import replace

from ..errors import GenerationFailed
from ..schemas import EngineStatus, Frame, GenerationRequest
from .base import UNFINISHED, Engine, Forecast, Requeued, Stream, Value, Work
from .latest import Latest
from .metrics import Metrics

Key = tuple[str, GenerationRequest]  # model and request: another model paints another picture


class FrameCache:
    """The most recently used final frames, as many as fit a number of bytes."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._frames: OrderedDict[Key, Frame] = OrderedDict()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._frames)

    def __contains__(self, key: Key) -> bool:
        return key in self._frames

    def get(self, key: Key) -> Frame | None:
        """The final frame of a request, if it is kept; counts as a use of it."""
        frame = self._frames.get(key)
        if frame is not None:
            self._frames.move_to_end(key)
        return frame

    def put(self, key: Key, frame: Frame) -> None:
        """Keeps a final frame; the ones unused longest make room."""
        size = _size(frame)
        if size > self._max_bytes:
            return
        if (old := self._frames.pop(key, None)) is not None:
            self.bytes -= _size(old)
        self._frames[key] = frame
        self.bytes += size
        while self.bytes > self._max_bytes:
            _, old = self._frames.popitem(last=False)
            self.bytes -= _size(old)


def _size(frame: Frame) -> int:
    pixels = 0 if frame.pixels is None else frame.pixels.nbytes
    return len(frame.data) + pixels + 4 * len(frame.request.prompt + frame.request.negative_prompt)


class CachedEngine:
    """Another engine behind a cache of its frames.

    Every reader of a shared stream gets the newest value that it has not seen. A reader that leaves
    does not stop the work for the others; when the last one leaves, the engine's stream is closed.
    While the stream waits, its claim is the best of those who still read it. A draft may be
    answered by a full picture that is on its way, never the other way round.
    """

    def __init__(
        self,
        engine: Engine,
        cache: FrameCache,
        metrics: Metrics | None = None,
        *,
        shares: bool = True,
    ) -> None:
        """
        Args:
            shares: whether equal requests share a stream; not where each is charged to whoever asks
                for it.
        """
        self._engine = engine
        self.cache = cache
        self._metrics = metrics or Metrics()
        self._shares = shares
        self._streams: dict[_StreamKey, _SharedStream] = {}
        self._guesses: set[Key] = set()  # kept, and not asked for yet

    def status(self) -> EngineStatus:
        """See `Engine.status`."""
        return self._engine.status()

    def forecast(self, work: Work) -> Forecast | None:
        """See `Engine.forecast`; in the loop of `generate`. What is on its way counts as begun."""
        if self._key(work) in self.cache:
            return Forecast(ahead=0, wait=0.0, work=0.0)
        stream = self._find(work)
        if stream is None:
            return self._engine.forecast(work)
        forecast = self._engine.forecast(stream.work)
        if stream.waits or forecast is None:
            return forecast
        return replace(forecast, ahead=0, wait=0.0)  # it is being painted

    def amend(self, work: Work, amended: Work) -> None:
        """See `Engine.amend`; in the loop of `generate`."""
        stream = self._find(work)
        if stream is None:
            self._engine.amend(work, amended)
        else:
            stream.amend(work, amended)

    async def generate(self, work: Work) -> Stream:
        """See `Engine.generate`; what is kept is one final frame at once, draft or not."""
        key = self._key(work)
        if (frame := self.cache.get(key)) is not None:
            if not work.ahead:
                self._metrics.hit()
                if key in self._guesses:
                    self._guesses.discard(key)
                    self._metrics.guessed("hit")
            yield replace(frame, cached=True, timings={"total": 0.0})
            return
        if not work.ahead:
            self._metrics.miss()
        stream = self._shared(work) if self._shares else self._engine.generate(work)
        place = None if work.ahead else self._metrics.came(work.origin)
        try:
            async with aclosing(stream) as values:
                async for value in values:
                    if isinstance(value, Frame) and value.final and not work.draft:
                        self.cache.put(self._key(work, value), value)
                    if place is not None:
                        place.move("waiting" if isinstance(value, Requeued) else "running")
                    yield value
        finally:
            if place is not None:
                place.leave()

    async def aclose(self) -> None:
        """See `Engine.aclose`."""
        await self._engine.aclose()

    def _key(self, work: Work, painted: Frame | None = None) -> Key:
        """Where a picture is kept: under the model that paints now, or that has painted this frame.

        That one may have been replaced meanwhile, and the new one is to paint its own.
        """
        model = "" if painted is None else painted.model
        return model or self._engine.status().model, work.request

    async def _shared(self, work: Work) -> Stream:
        if work.since is None:
            work = replace(work, since=asyncio.get_running_loop().time())
        stream = self._find(work)
        if stream is None:
            key = _stream_key(work, work.draft)
            stream = self._streams[key] = _SharedStream(self._engine, key, work)
        elif not work.ahead:
            self._metrics.shared()
            if stream.work.ahead and not stream.work.attract:
                self._metrics.guessed("hit")
        reader = stream.join(work)
        try:
            async for value in reader:
                guess = stream.work.ahead and not stream.work.attract
                if guess and isinstance(value, Frame) and value.final:
                    self._metrics.guessed("painted")
                    kept = {key for key in self._guesses if key in self.cache}
                    self._guesses = {*kept, self._key(work, value)}
                yield value
                stream.ask()
        finally:
            if stream.leave(reader):
                if self._streams.get(stream.key) is stream:
                    del self._streams[stream.key]
                await stream.aclose()

    def _find(self, work: Work) -> _SharedStream | None:
        for draft in (False, True) if work.draft else (False,):
            stream = self._streams.get(_stream_key(work, draft))
            if stream is not None and stream.joinable:
                return stream
        return None


# Streams are shared within one event loop: values travel between tasks, not between threads.
# Work that must be painted `here` joins no stream that may be another server's, even the asker's.
_StreamKey = tuple[asyncio.AbstractEventLoop, GenerationRequest, bool, bool]


def _stream_key(work: Work, draft: bool) -> _StreamKey:
    return asyncio.get_running_loop(), work.request, draft, work.here


class _SharedStream:
    """One stream of the engine, and all who read it."""

    def __init__(self, engine: Engine, key: _StreamKey, work: Work) -> None:
        """Asks the engine, in the context of whoever asks first."""
        self.key = key
        self.work = work  # as the engine knows it
        self.joinable = True  # it has not failed
        self.waits = True  # the engine has not started
        self._engine = engine
        self._readers: dict[Latest[Value], Work] = {}
        self._newest: Value | None = None
        self._asked = asyncio.Event()  # a reader has seen all there is
        self._pump = asyncio.create_task(self._run(), name="shared stream")

    def join(self, work: Work) -> Latest[Value]:
        """One more reader."""
        reader: Latest[Value] = Latest()
        self._readers[reader] = work
        if self._newest is not None:
            reader.put(self._newest)
        if isinstance(self._newest, Frame) and self._newest.final:
            reader.end()  # the others have not left yet
        self._claim()
        return reader

    def leave(self, reader: Latest[Value]) -> bool:
        """One reader less; whether it was the last."""
        del self._readers[reader]
        self._claim()
        return not self._readers

    def amend(self, work: Work, amended: Work) -> None:
        """See `Engine.amend`."""
        if amended.since is not None:
            self._readers |= {r: amended for r, known in self._readers.items() if known == work}
            self._claim()

    def ask(self) -> None:
        """A reader wants the next value."""
        self._asked.set()

    async def aclose(self) -> None:
        """Closes the engine's stream."""
        self.joinable = False
        self._pump.cancel()
        await asyncio.gather(self._pump, return_exceptions=True)

    def _claim(self) -> None:
        """Makes the claim that of the readers together: who has waited longest, who has paused.

        Guesses count only where nobody really asks. Previews are made if any reader looks at them.
        """
        if not self._readers:
            return
        everybody = self._readers.values()
        works = [work for work in everybody if not work.ahead] or list(everybody)
        clients: set[Hashable] = {work.client for work in works}
        claim = replace(
            self.work,
            since=min(work.since for work in works if work.since is not None),
            client=clients.pop() if len(clients) == 1 else None,
            ahead=works[0].ahead,
            paused=any(work.paused for work in works),
            yields=all(work.yields for work in works),
            previews=any(work.previews for work in works),
        )
        if not self.waits and claim.ahead == self.work.ahead:
            claim = replace(self.work, previews=claim.previews, yields=claim.yields)
        if claim != self.work:
            self._engine.amend(self.work, claim)
            self.work = claim

    async def _run(self) -> None:
        try:
            async with aclosing(self._engine.generate(self.work)) as values:
                async for value in values:
                    self.waits = isinstance(value, Requeued)
                    self._newest = value
                    for reader in self._readers:
                        reader.put(value)
                    if isinstance(value, Frame) and value.final:
                        self._end(None)
                        return
                    # Only what somebody waits for is asked for: previews that nobody is quick
                    # enough to see need not be decoded.
                    self._asked.clear()
                    await self._asked.wait()
        except Exception as caught:  # every reader raises it
            self.joinable = False
            self._end(caught)
        else:
            self.joinable = False
            self._end(GenerationFailed(UNFINISHED))

    def _end(self, error: Exception | None) -> None:
        for reader in self._readers:
            reader.end(error)
