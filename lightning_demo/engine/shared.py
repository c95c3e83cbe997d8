"""The same request of several sessions, painted once: who asks for it later joins its stream.

Never imports torch.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from ..schemas import EngineStatus, Frame, GenerationRequest
from .base import Engine, Forecast, Place
from .metrics import Metrics

# Streams are shared within one event loop: frames travel between tasks, not between threads.
_Key = tuple[asyncio.AbstractEventLoop, GenerationRequest, bool]


class SharingEngine:
    """Another engine, which is asked only once for what several ask for at the same time.

    Every reader gets the newest frame that it has not seen. Whoever leaves does not stop the work
    for the others; when the last one leaves, the engine's stream is closed. A draft may be answered
    by a full picture that is on its way, never the other way round.
    """

    def __init__(self, engine: Engine, metrics: Metrics | None = None) -> None:
        self._engine = engine
        self._metrics = metrics or Metrics()
        self._streams: dict[_Key, _Stream] = {}
        self.shared = 0  # requests that joined another's

    def status(self) -> EngineStatus:
        """See `Engine.status`."""
        return self._engine.status()

    async def generate(
        self, request: GenerationRequest, *, place: Place | None = None, draft: bool = False
    ) -> AsyncGenerator[Frame, None]:
        """See `Engine.generate`; joins the stream of the same request, if there is one."""
        key = (asyncio.get_running_loop(), request, draft)
        stream = self._find(key)
        if stream is None:
            self._streams[key] = stream = _Stream(key)
        else:
            self.shared += 1
            self._metrics.shared()
        reader = stream.join(place or Place(), self._engine)
        try:
            while (frame := await reader.next_frame()) is not None:
                yield frame
                if frame.final:
                    return
        finally:
            stream.leave(reader)
            if not stream.readers:
                if self._streams.get(stream.key) is stream:
                    del self._streams[stream.key]
                await stream.aclose()

    def forecast(
        self, request: GenerationRequest, *, place: Place | None = None, draft: bool = False
    ) -> Forecast | None:
        """See `Engine.forecast`; of a request that is on its way already, what is left of it.

        Belongs to the event loop of `generate`.
        """
        stream = self._find((asyncio.get_running_loop(), request, draft))
        if stream is None:
            return self._engine.forecast(request, place=place, draft=draft)
        forecast = self._engine.forecast(request, place=stream.place, draft=stream.key[2])
        if not stream.waits:
            stream.give_up_places()
        if stream.waits or forecast is None:
            return forecast
        return replace(forecast, ahead=0, wait=0.0)  # it is being painted

    async def aclose(self) -> None:
        """See `Engine.aclose`."""
        await self._engine.aclose()

    def _find(self, key: _Key) -> _Stream | None:
        loop, request, draft = key
        for kind in (False, True) if draft else (False,):
            stream = self._streams.get((loop, request, kind))
            if stream is not None and stream.error is None:
                return stream
        return None


class _Stream:
    """One stream of the engine's, and all who read it."""

    def __init__(self, key: _Key) -> None:
        self.key = key
        self.place = Place()  # the earliest of the readers'
        self.readers: set[_Reader] = set()
        self.newest: Frame | None = None
        self.error: Exception | None = None
        self.ended = False
        self._wanted = asyncio.Event()  # some reader has seen all there is
        self._pump: asyncio.Task[None] | None = None

    @property
    def waits(self) -> bool:
        """Whether the engine has not begun with it."""
        return self.newest is None and self.place.since is not None

    def join(self, place: Place, engine: Engine) -> _Reader:
        """One more reader; the first one lets the engine begin."""
        reader = _Reader(self, place)
        self.readers.add(reader)
        if self._pump is None or self.waits:
            if place.since is None:
                place.since = time.monotonic()
            self._share_place()
        if self._pump is None:
            # In the context of whoever asked first.
            self._pump = asyncio.create_task(self._run(engine), name="shared")
        return reader

    def leave(self, reader: _Reader) -> None:
        """One reader less. A place is kept while the request waits, and given up after that."""
        self.readers.discard(reader)
        if not self.waits:
            reader.place.since = None
        elif self.readers:
            self._share_place()

    async def aclose(self) -> None:
        """Closes the engine's stream."""
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.gather(self._pump, return_exceptions=True)

    def give_up_places(self) -> None:
        """The engine has begun: nobody waits in line any more."""
        for reader in self.readers:
            reader.place.since = None

    def ask(self) -> None:
        """A reader waits for the next frame."""
        self._wanted.set()

    async def _run(self, engine: Engine) -> None:
        _, request, draft = self.key
        try:
            async with aclosing(engine.generate(request, place=self.place, draft=draft)) as frames:
                async for frame in frames:
                    self.newest = frame
                    self.give_up_places()
                    self._tell()
                    if frame.final:
                        return
                    # Only what somebody waits for is asked for: previews that nobody is quick
                    # enough to see need not be decoded.
                    self._wanted.clear()
                    await self._wanted.wait()
        except Exception as error:  # every reader raises it
            self.error = error
        finally:
            self.ended = True
            self._tell()

    def _tell(self) -> None:
        for reader in self.readers:
            reader.wake.set()

    def _share_place(self) -> None:
        places = [reader.place for reader in self.readers]
        self.place.since = min(place.since for place in places if place.since is not None)
        clients = {place.client for place in places}
        self.place.client = clients.pop() if len(clients) == 1 else None


class _Reader:
    """One of those who read a stream."""

    def __init__(self, stream: _Stream, place: Place) -> None:
        self.place = place
        self.wake = asyncio.Event()
        self._stream = stream
        self._seen: Frame | None = None

    async def next_frame(self) -> Frame | None:
        """The newest frame not yet seen; None where the engine's stream ended without a final.

        Raises:
            Exception: what the engine's stream raised.
        """
        stream = self._stream
        while stream.newest is self._seen:
            if stream.error is not None:
                raise stream.error
            if stream.ended:
                return None
            self.wake.clear()
            stream.ask()
            await self.wake.wait()
        self._seen = stream.newest
        return self._seen
