"""Two engines as one: while the wanted one loads, or when it has failed, another stands in for it.

The real model takes minutes to download and load; the miniature takes seconds. So that nobody
waits, the miniature answers until the real one is ready. Then requests go there, whatever was still
on its way is painted there instead, and the stand-in is closed and forgotten. Should the real one
fail later, another stands in for it. Never imports torch.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace

from ..errors import EngineUnavailable
from ..schemas import EngineStatus, Frame, Limits
from .base import STOP_SECONDS, STOPPED, Engine, Forecast, Requeued, Stream, Work

log = logging.getLogger(__name__)

WATCH_SECONDS = 0.1  # between two looks at the wanted engine, which announces nothing


class StandbyEngine:
    """An engine that is the stand-in first and the wanted engine from some moment on.

    What may be asked for never changes, so that no request comes too late or too early: the wanted
    engine's steps and sizes, and any side that either of the two allows. The stand-in paints the
    size of its own nearest to the one asked for.
    """

    def __init__(self, wanted: Engine, make_stand_in: Callable[[], Engine]) -> None:
        """
        Args:
            wanted: the engine to come, loading.
            make_stand_in: makes the other one; nothing else may keep it, or its memory stays.

        Raises:
            ValueError: the stand-in has no checkpoint for a step count of the wanted engine's.
        """
        self._wanted, self._make_stand_in = wanted, make_stand_in
        self._stand_in: Engine | None = make_stand_in()  # None while the wanted engine serves
        self._remaking = threading.Lock()
        self._limits = _either(wanted.status().limits, self._stand_in.status().limits)
        self._closing = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="standby", daemon=True)
        self._watcher.start()

    def status(self) -> EngineStatus:
        """See `Engine.status`; of whichever engine paints now, and of what is loading."""
        self._replace_failed()
        wanted, stand_in = self._wanted.status(), self._stand_in
        if self._closing.is_set():
            about = replace(wanted, state="closed", detail=STOPPED, progress=None)
        elif stand_in is None or wanted.state == "ready":
            about = wanted
        else:
            about = _standing_in(stand_in.status(), wanted)
        return replace(about, limits=self._limits)

    def forecast(self, work: Work) -> Forecast | None:
        """See `Engine.forecast`; by whichever engine paints now."""
        engine = self._serving()
        return engine.forecast(self._for(engine, work))

    def amend(self, work: Work, amended: Work) -> None:
        """See `Engine.amend`."""
        engine = self._serving()
        engine.amend(self._for(engine, work), self._for(engine, amended))

    async def generate(self, work: Work) -> Stream:
        """See `Engine.generate`; a request that the stand-in cannot finish goes on to the other."""
        if work.since is None:  # whoever paints it, it has waited from now on
            work = replace(work, since=asyncio.get_running_loop().time())
        started, shown = False, (0, False)
        while True:
            if self._closing.is_set():
                raise EngineUnavailable(STOPPED)
            engine = self._serving()
            try:
                async with aclosing(self._paint(engine, work)) as values:
                    async for value in values:
                        started = True
                        if isinstance(value, Frame):
                            if value.progress <= shown:  # never back, whoever paints
                                continue
                            shown = value.progress
                        yield value
                return
            except EngineUnavailable:
                if self._closing.is_set() or engine is self._serving():
                    raise
            if started:
                started = False
                yield Requeued()

    async def aclose(self) -> None:
        """See `Engine.aclose`."""
        self._closing.set()
        engines = [each for each in (self._wanted, self._stand_in) if each is not None]
        await asyncio.gather(*(engine.aclose() for engine in engines))
        await asyncio.get_running_loop().run_in_executor(None, self._watcher.join, STOP_SECONDS)

    def _serving(self) -> Engine:
        """The engine that paints what is asked now: the stand-in, unless the other is ready."""
        self._replace_failed()
        stand_in = self._stand_in
        if stand_in is None or self._wanted.status().state == "ready":
            return self._wanted
        return self._wanted if stand_in.status().state in ("failed", "closed") else stand_in

    async def _paint(self, engine: Engine, work: Work) -> Stream:
        """What one of the two engines yields, each frame told which model it is of."""
        status = engine.status()
        async with aclosing(engine.generate(self._for(engine, work))) as values:
            async for value in values:
                if isinstance(value, Frame):
                    value = replace(
                        value, request=work.request, model=status.model, weights=status.weights
                    )
                yield value

    def _for(self, engine: Engine, work: Work) -> Work:
        """The work as one of the two engines is asked for it."""
        if engine is self._wanted:
            return work
        # Not its fault that it has other sizes: asked for its own, it has nothing to remark.
        request = work.request
        width, height = engine.status().limits.nearest_size(request.width, request.height)
        return replace(work, request=replace(request, width=width, height=height))

    def _watch(self) -> None:
        """Waits for the wanted engine and sends the stand-in home; a thread of its own.

        Nobody may be looking at the page when the moment comes.
        """
        while (state := self._wanted.status().state) == "loading":
            if self._closing.wait(WATCH_SECONDS):
                return
        stand_in = self._stand_in
        if state != "ready" or stand_in is None:
            return
        self._stand_in = None
        asyncio.run(stand_in.aclose())  # ends its requests, which go on to the wanted engine
        log.info("%s has taken over", self._wanted.status().title)

    def _replace_failed(self) -> None:
        """Makes another stand-in where the wanted engine has served and failed."""
        if self._stand_in is not None or self._wanted.status().state != "failed":
            return
        with self._remaking:
            if self._stand_in is None and not self._closing.is_set():
                log.warning("%s has failed; another model stands in", self._wanted.status().title)
                self._stand_in = self._make_stand_in()


def _either(wanted: Limits, stand_in: Limits) -> Limits:
    """What can be asked for while it is not known which of the two will paint."""
    if missing := set(wanted.num_inference_steps) - set(stand_in.num_inference_steps):
        raise ValueError(f"The stand-in has no checkpoint for {sorted(missing)} steps.")
    return replace(
        wanted,
        min_side=min(wanted.min_side, stand_in.min_side),
        max_side=max(wanted.max_side, stand_in.max_side),
    )


def _standing_in(now: EngineStatus, wanted: EngineStatus) -> EngineStatus:
    """What to say while the wanted engine is not ready, or never will be."""
    waiting, yielding = now.waiting + wanted.waiting, now.yielding + wanted.yielding
    if now.state in ("failed", "closed"):
        if wanted.state == "loading":
            return replace(wanted, waiting=waiting, yielding=yielding)
        detail = f"{wanted.detail} {now.title} cannot stand in: {now.detail}"
        return replace(wanted, detail=detail, waiting=waiting, yielding=yielding)
    if wanted.state == "loading":
        now = replace(now, loading_model=wanted.model, loading_title=wanted.title)
        if now.state == "ready":
            now = replace(now, detail=wanted.detail, progress=wanted.progress)
    elif now.state == "ready":
        now = replace(now, detail=f"{now.title} goes on without {wanted.title}: {wanted.detail}")
    return replace(now, waiting=waiting, yielding=yielding)
