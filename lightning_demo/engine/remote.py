"""Another host's server as an engine, over our own API (`docs/api/native.md`, for other servers).

A thread of its own looks after the connections and asks every second how the other is, so that its
status is known without waiting, and whoever reads may do so in any event loop. Never imports torch.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Coroutine
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from typing import Any

from .. import __version__
from ..errors import EngineUnavailable, InvalidSetting, LightningError, NotTaken, report_incident
from ..schemas import EngineState, EngineStatus, Frame
from .base import (
    NOT_PAINTED,
    STOP_SECONDS,
    STOPPED,
    UNFINISHED,
    Forecast,
    Requeued,
    Started,
    Stream,
    Work,
)
from .flow import Flow
from .link import SILENCE_SECONDS, Link
from .metrics import Metrics
from .wire import Record, parse_error, parse_forecast, parse_frame, parse_refusal
from .wire_fields import instance, work_fields

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0
MAX_POLL_SECONDS = 10.0  # while it does not answer


class RemoteEngine:
    """Paints elsewhere what it is asked, if the other server holds the same weights."""

    def __init__(
        self,
        url: str,
        expected: EngineStatus,
        key: str = "",
        *,
        metrics: Metrics | None = None,
        silence_seconds: float = SILENCE_SECONDS,
        poll_seconds: float = POLL_SECONDS,
        here: bool = False,
    ) -> None:
        """Starts the thread, which asks how the other server is.

        Args:
            expected: the model, its limits and the fingerprint of what it must paint with.
            key: of the other server's, where it asks for one.
            silence_seconds: without a sign of life, after which it counts as hung.
            poll_seconds: between two looks at how it is, while it loads or does not answer.
            here: whether it is one of this server's own, which may paint other servers' work, and
                sends its pixels as they are.

        Raises:
            InvalidSetting: the address is none.
        """
        self._link = Link(url, key, silence_seconds)
        self._expected = expected
        self._about = replace(expected, state="loading", detail=f"Asking {self._link.url}")
        self._others = 0, 0  # that wait and that give way there, beside ours
        self._failure = ""
        self._metrics = metrics or Metrics()
        self._poll_seconds = poll_seconds
        self._here = here
        self._flows: dict[Flow, None] = {}
        self._claiming = 0  # that the other server has not been told of yet
        self._closed = False
        self._loop = asyncio.new_event_loop()
        self._end = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="remote", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it is."""
        return self._link.url

    @property
    def failure(self) -> str:
        """Why it paints nothing, in its own last words; kept when it no longer answers."""
        return self._failure

    @property
    def busy(self) -> bool:
        """Whether anything of ours is being painted there, or waits for it."""
        return bool(self._flows)

    def status(self) -> EngineStatus:
        """See `Engine.status`; what it was when it last answered, and what waits of ours."""
        waiting = [flow for flow in tuple(self._flows) if flow.waits and not flow.work.ahead]
        others, yielding = self._others
        about = replace(
            self._about,
            waiting=others + len(waiting),
            yielding=yielding + sum(flow.work.yields for flow in waiting),
        )
        return replace(about, state="closed", detail=STOPPED) if self._closed else about

    def forecast(self, work: Work) -> Forecast | None:
        """See `Engine.forecast`; known of what has been given to it, not of what might be."""
        flow = self._flow(work)
        return None if flow is None else flow.forecast

    def amend(self, work: Work, amended: Work) -> None:
        """See `Engine.amend`; the other server is told as soon as it can be."""
        flow = self._flow(work)
        if flow is None or amended.since is None or self._closed:
            return
        flow.work = amended
        self._claiming += 1
        self._submit(self._claim(flow))

    async def generate(self, work: Work) -> Stream:
        """See `Engine.generate`.

        Raises:
            NotTaken: the other server has not even seen it.
            EngineHung: it says nothing any more.
        """
        if self._closed:
            raise EngineUnavailable(STOPPED)
        if work.here and not self._here:
            raise NotTaken("This is to be painted on the machine that was asked.")
        if work.since is None:
            work = replace(work, since=time.monotonic())
        flow = Flow(work)
        log.debug("%s: work for %s", flow.name, self.url)
        self._flows[flow] = None
        painting = self._submit(self._paint(flow))
        try:
            # Only now: had it closed before the flow was there, nobody would tell this one.
            if self._closed:
                raise EngineUnavailable(STOPPED)
            async for value in flow.values:
                yield value
        finally:
            self._flows.pop(flow, None)
            if not flow.done:
                painting.cancel()  # which the other server is told

    async def aclose(self) -> None:
        """See `Engine.aclose`."""
        self._closed = True
        with suppress(RuntimeError):  # it has ended
            self._loop.call_soon_threadsafe(self._end.set)
        await asyncio.get_running_loop().run_in_executor(None, self._thread.join, STOP_SECONDS)

    def _submit(self, coroutine: Coroutine[Any, Any, None]) -> Future[None]:
        """Runs something on the thread.

        Raises:
            EngineUnavailable: it has ended.
        """
        try:
            return asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        except RuntimeError:
            coroutine.close()
            raise EngineUnavailable(STOPPED) from None

    def _flow(self, work: Work) -> Flow | None:
        return next((flow for flow in tuple(self._flows) if flow.work == work), None)

    # On the thread --------------------------------------------------------------------------

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        polling = asyncio.create_task(self._poll())
        await self._end.wait()
        for flow in tuple(self._flows):
            flow.end(EngineUnavailable(STOPPED))
        polling.cancel()
        await asyncio.gather(polling, return_exceptions=True)
        await self._link.aclose()
        mine = asyncio.current_task()
        others = [task for task in asyncio.all_tasks() if task is not mine]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _poll(self) -> None:
        """Asks again and again how the other server is; says so in the log when that changes."""
        pause = self._poll_seconds
        while True:
            before = self._about
            try:
                await self._look()
                loads = self._about.state == "loading"
                pause = self._poll_seconds if loads else max(POLL_SECONDS, self._poll_seconds)
            except LightningError as error:
                self._about = replace(self._expected, state="failed", detail=error.message)
                self._others = 0, 0
                twice = min(2 * pause, max(MAX_POLL_SECONDS, self._poll_seconds))
                pause = twice if before.state == "failed" else self._poll_seconds
            except Exception:
                log.exception("while asking %s how it is", self.url)
            if (before.state, before.detail) != (self._about.state, self._about.detail):
                log.info("%s: %s %s", self.url, self._about.state, self._about.detail)
            await asyncio.sleep(pause)

    async def _look(self) -> None:
        ours = [flow for flow in tuple(self._flows) if flow.waits and not flow.work.ahead]
        told = await self._link.status(self._expected)
        state: EngineState = told.state
        detail = told.texts["detail"]
        if told.fingerprint != self._expected.fingerprint:  # a stand-in paints there meanwhile
            state = "loading"
        if state != "closed":
            self._failure = detail if state == "failed" else ""
        else:
            state, detail = "failed", f"{self.url} is being restarted."
        self._about = replace(
            self._expected,
            state=state,
            detail=detail,
            progress=told.progress if state == "loading" else None,
            device=told.texts["device"],
            tier=told.texts["tier"],
        )
        yielding = sum(flow.work.yields for flow in ours)
        self._others = max(0, told.waiting - len(ours)), max(0, told.yielding - yielding)

    async def _paint(self, flow: Flow) -> None:
        """One stream from its first record to its last."""
        try:
            channel = await self._link.channel()
            async with channel.records(self._content(flow)) as records:
                async for record in records:
                    await self._take(flow, record)
                    if flow.done:
                        return
        except InvalidSetting as error:  # it is not, or no longer, one that may paint
            flow.end(NotTaken(error.message))
        except ValueError as error:
            flow.end(EngineUnavailable(f"{self.url} does not speak as it should ({error})."))
        except Exception as error:
            flow.end(report_incident(error, NOT_PAINTED, log))

    def _content(self, flow: Flow) -> dict[str, Any]:
        """What the other server is told of the work, by its claim of now."""
        return {
            "name": flow.name,
            "version": __version__,
            "fingerprint": self._expected.fingerprint,
            "instance": instance(),
            "work": work_fields(flow.work, time.monotonic()),
            # Between processes of one machine or rack, copying is cheaper than compressing.
            "raw": self._here,
        }

    async def _take(self, flow: Flow, record: Record) -> None:
        """What one record says."""
        match record.kind:
            case "started":
                flow.put(Started())
            case "requeued":
                flow.put(Requeued())
            case "line":
                flow.forecast = parse_forecast(record.header)
            case "frame":
                if self._here:
                    frame = parse_frame(record, flow.work.request, raw=True)
                else:  # beside the loop: it takes milliseconds, and others are read meanwhile
                    frame = await asyncio.to_thread(parse_frame, record, flow.work.request)
                if frame.model not in ("", self._expected.model):
                    raise EngineUnavailable(f"{self.url} paints with another model now.")
                self._measure(flow, frame)
                flow.put(replace(frame, model=""))  # whose it is, ours says
            case "error":
                flow.end(parse_error(record.header))
            case "refused":
                raise self._link.refusal(*parse_refusal(record.header))
            case "unfinished":
                flow.end(EngineUnavailable(f"{self.url} has broken off: {UNFINISHED}"))

    def _measure(self, flow: Flow, frame: Frame) -> None:
        work = flow.work
        if work.ahead or "encode" not in frame.timings:
            return
        about: dict[str, Any] = {"draft": work.draft, "origin": work.origin}
        self._metrics.sent(frame.timings, first=not flow.shown, final=frame.final, **about)
        flow.shown = True

    async def _claim(self, flow: Flow) -> None:
        content = {"name": flow.name, "work": work_fields(flow.work, time.monotonic())}
        try:
            await self._link.claim(content)
        except LightningError as error:  # what has become of the work, its stream says
            log.debug("a claim was lost: %s", error)
        finally:
            self._claiming -= 1
