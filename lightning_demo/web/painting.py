"""One picture for whoever asks over HTTP; what the route of every API calls.

Limits, turns, timeouts, draining and errors are handled here. A route translates its own kind of
question into a `GenerationRequest`, and the frames into its own kind of answer.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import Counter
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Coroutine,
    Hashable,
    Iterator,
    Sequence,
)
from contextlib import aclosing, contextmanager
from dataclasses import replace
from typing import Any, TypeVar

import anyio
from starlette.requests import Request

from ..engine.base import UNFINISHED, Engine, Stream, Value, Work
from ..engine.metrics import Metrics
from ..errors import (
    EngineUnavailable,
    GenerationFailed,
    LightningError,
    RateLimited,
    report_incident,
)
from ..schemas import Frame, GenerationRequest
from ..tasks import tasks
from .addresses import Allowance, discount
from .callers import BURST, Caller
from .messages import DRAINING

log = logging.getLogger(__name__)

MAX_PICTURES = 4_000  # painted and waiting
IN_ENGINE = 16  # of them in the engine for one caller: enough for its largest batch twice
PAINT_SECONDS = 600.0  # loading, in line and on the device; SDXL on a CPU takes minutes

T = TypeVar("T")
Tell = Callable[[int, Value], Awaitable[None]]  # which of several pictures, and what is new of it


class Painting:
    """Paints requests to the end. Belongs to one event loop."""

    def __init__(self, engine: Engine, metrics: Metrics | None = None) -> None:
        self._engine = engine
        self._metrics = metrics or Metrics()
        self._allowances: dict[float, Allowance] = {}  # by pictures a second
        self._pictures: Counter[Hashable] = Counter()  # painted and waiting, by client
        self._turns: dict[Hashable, asyncio.Semaphore] = {}  # of those who have any
        self._draining = False

    @property
    def busy(self) -> bool:
        """Whether any picture is being painted or waits for it."""
        return bool(self._pictures)

    def drain(self) -> None:
        """Takes nothing new; what is being painted may finish."""
        self._draining = True

    def admit(self, caller: Caller, pictures: int = 1) -> None:
        """Counts pictures that a caller is about to ask for, before the request's body is read.

        Raises:
            EngineUnavailable: the server is going away.
            RateLimited: the caller asks too often.
        """
        self._check_draining()
        rate = caller.per_second
        if rate == math.inf:
            return
        allowance = self._allowances.setdefault(rate, Allowance(BURST, rate))
        if wait := allowance.take(f"{caller.kind} {caller.name}", time.monotonic(), pictures):
            self.refused(caller)
            raise RateLimited(
                f"At most {rate:g} pictures a second are painted for you; try again in a moment.",
                seconds=wait,
            )

    def refused(self, caller: Caller) -> None:
        """Counts a request that was turned away."""
        if caller.origin == "api":
            self._metrics.refused(caller.key)
        if caller.key is not None:
            log.info("%s is turned away, beyond the limits of the key", caller.key)

    async def paint(self, request: GenerationRequest, caller: Caller) -> Frame:
        """The final frame of `request`, with its pixels and the name of the model.

        Raises:
            LightningError: why there is no picture, with the HTTP status that fits.
        """
        async with aclosing(self.values(request, caller, previews=False)) as values:
            async for value in values:
                if isinstance(value, Frame) and value.final:
                    return value
        raise GenerationFailed(UNFINISHED)

    async def paint_all(
        self, requests: Sequence[GenerationRequest], caller: Caller, tell: Tell | None = None
    ) -> list[Frame]:
        """The final frames of several requests, painted beside one another.

        Args:
            tell: is called with the place of each request and whatever is new of it; without it,
                no previews are made.

        Raises:
            LightningError: why one of them could not be painted; the others are given up.
        """

        async def one(place: int, request: GenerationRequest) -> Frame:
            final: Frame | None = None
            previews = tell is not None
            async with aclosing(self.values(request, caller, previews=previews)) as values:
                async for value in values:
                    if tell is not None:
                        await tell(place, value)
                    if isinstance(value, Frame) and value.final:
                        final = value
            if final is None:
                raise GenerationFailed(UNFINISHED)
            return final

        try:
            if len(requests) == 1:
                frames = [await one(0, requests[0])]
            else:
                async with tasks(*(one(*each) for each in enumerate(requests))) as running:
                    frames = list(await asyncio.gather(*running))
        except RateLimited:
            self.refused(caller)
            raise
        if caller.key is not None:
            log.info("pictures painted for %s: %d", caller.key, len(frames))
        return frames

    async def values(
        self, request: GenerationRequest, caller: Caller, *, previews: bool = True
    ) -> Stream:
        """What the engine says of a request: `Started`, previews, the final frame with its pixels.

        The pictures of one caller take turns with one another. Closing it stops the work.

        Args:
            previews: whether they are looked at; else none are made for this caller.

        Raises:
            LightningError: why there is no picture, with the HTTP status that fits.
        """
        self.check(caller)
        with self._counted(caller.client):
            turns = self._turns.setdefault(caller.client, asyncio.Semaphore(IN_ENGINE))
            try:
                async with turns, aclosing(self._painted(request, caller, previews)) as painted:
                    async for value in painted:
                        yield value
            except Exception as error:
                raise report_incident(error, "The picture could not be painted", log) from None

    def check(self, caller: Caller) -> None:
        """Whether one more of this caller's pictures could be taken now.

        Raises:
            LightningError: it could not.
        """
        self._check_draining()
        self._check_room(caller)

    async def work(self, work: Work, caller: Caller) -> Stream:
        """What the engine says of another server's work, all of it.

        Its pictures take no turns here: the two engines decide whose is next. Closing it stops the
        work.

        Raises:
            LightningError: why there is no picture.
        """
        self.check(caller)
        with self._counted(caller.client):
            async with aclosing(self._engine.generate(work)) as values:
                async for value in values:
                    if isinstance(value, Frame) and value.final and caller.key is not None:
                        self._metrics.used(caller.key, work.request.num_inference_steps)
                    yield value

    async def _painted(self, request: GenerationRequest, caller: Caller, previews: bool) -> Stream:
        end = time.monotonic() + PAINT_SECONDS
        work = Work(
            request,
            client=caller.client,
            previews=previews,
            yields=caller.yields,
            origin=caller.origin,
        )
        stream = self._engine.generate(work)
        async with aclosing(stream) as values:
            while (value := await _next(values, end)) is not None:
                if isinstance(value, Frame):
                    if value.safety == "unchecked":
                        continue  # a program may show it to anybody
                    if value.final and value.pixels is None:
                        raise GenerationFailed("The picture came without its pixels.")
                    if not value.model:
                        status = self._engine.status()
                        value = replace(value, model=status.model, weights=status.weights)
                    if value.final and caller.origin == "api":
                        self._metrics.used(caller.key, request.num_inference_steps)
                yield value

    @contextmanager
    def _counted(self, client: Hashable) -> Iterator[None]:
        """Counts a picture of a client, from now until it is painted or given up."""
        self._pictures[client] += 1
        try:
            yield
        finally:
            discount(self._pictures, client)
            if client not in self._pictures:
                self._turns.pop(client, None)

    def _check_draining(self) -> None:
        if self._draining:
            raise EngineUnavailable(DRAINING)

    def _check_room(self, caller: Caller) -> None:
        if self._pictures.total() >= MAX_PICTURES:
            raise EngineUnavailable(
                f"{MAX_PICTURES} pictures are being painted or wait already; try again in a moment."
            )
        if self._pictures[caller.client] >= caller.at_once:
            raise RateLimited(
                f"{caller.at_once} pictures are being painted for you or wait already; "
                "try again in a moment."
            )


class ClientGone(LightningError):
    """Nobody reads this answer; the log has nginx's status for it."""

    status = 499


async def while_connected(http: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which is given up when the client goes away.

    Args:
        http: its request, after the body has been read.

    Raises:
        ClientGone: it has gone.
    """
    async with tasks(work, _disconnect(http)) as (working, gone):
        await asyncio.wait((working, gone), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            result: T = working.result()
            return result
        raise ClientGone("The client has gone.")


async def _disconnect(http: Request) -> None:
    """Ends when the client has gone."""
    while (await http.receive())["type"] != "http.disconnect":
        pass


async def _next(values: AsyncGenerator[Value, None], end: float) -> Value | None:
    """The next value, if it comes in time; None after the last."""
    try:
        # asyncio's wait_for, before Python 3.12, is not cancelled when a value has just come.
        with anyio.fail_after(max(0.0, end - time.monotonic())):
            return await anext(values)
    except StopAsyncIteration:
        return None
    except TimeoutError:
        raise EngineUnavailable(
            f"The picture was not finished within {PAINT_SECONDS:g} s; try again later."
        ) from None
