"""What the routes of all APIs share: who may ask, painting, files, jobs, and answers to errors."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from functools import cached_property, wraps
from typing import TypeVar

from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response

from ...engine.base import Value
from ...errors import InvalidRequest, LightningError, report_incident
from ...schemas import Frame, Limits
from ...settings import files_folder
from ...tasks import tasks
from ..callers import Caller
from ..http_json import Shape, error_headers, problem_of, retry_seconds_of
from ..painting import while_connected
from ..service import Service
from .access import Access, KeyRequired
from .job import owner_of
from .jobs import Jobs
from .order import Asked, Order, place
from .store import SWEEP_SECONDS, Store
from .temporary_folder import remove_left_ones
from .usage import Usage
from .webhooks import Webhooks

log = logging.getLogger(__name__)

Site = TypeVar("Site")  # what answers: `Api`, or some part of it
Handler = Callable[[Site, Request], Awaitable[Response]]


class Api:
    """The server as programs see it."""

    def __init__(self, service: Service) -> None:
        """
        Raises:
            InvalidSetting: the file of API keys is not as it must be.
        """
        self.service = service
        self.painting = service.painting
        self.access = Access(service.settings)
        self.closing: list[Callable[[], Awaitable[None]]] = []  # what else ends with the server

    @property
    def limits(self) -> Limits:
        """What the model that is served can be asked for."""
        return self.service.engine.status().limits

    @cached_property
    def store(self) -> Store:
        """Opened when it is first needed: most visitors only use the page."""
        return Store.of(self.service.settings)

    @cached_property
    def usage(self) -> Usage:
        """Who has used how much."""
        return Usage(self.store)

    @cached_property
    def jobs(self) -> Jobs:
        """What is painted behind its request."""
        return Jobs(self.painting, self.store)

    @cached_property
    def webhooks(self) -> Webhooks:
        """Who is told of jobs."""
        return Webhooks(self.store, self.service.settings)

    def caller(self, connection: HTTPConnection) -> Caller:
        """Who asks.

        Raises:
            LightningError: whoever it is may not.
        """
        try:
            return self.access.caller(connection)
        except LightningError:
            self.service.metrics.refused(None)
            raise

    def admit(self, http: HTTPConnection) -> Caller:
        """Who asks for a picture, before the question is read.

        Raises:
            LightningError: whoever it is may not, or not so often.
        """
        caller = self.caller(http)
        self.painting.admit(caller)
        return caller

    def place(self, asked: Asked, caller: Caller) -> Order:
        """A question translated for the model that is served.

        Raises:
            LightningError: it cannot be asked, or it asks for too many pictures at once.
        """
        order = place(asked, self.limits)
        count = len(order.requests)
        if count > caller.at_once:  # which would be as many too many at any later time
            self.painting.refused(caller)
            field = asked.names.get("count", "count")
            raise InvalidRequest(
                f"{field}: at most {caller.at_once} pictures may be asked for at once with this "
                "key.",
                field=field,
            )
        if count > 1:
            self.painting.admit(caller, count - 1)
        return order

    async def paint(self, http: Request, order: Order, caller: Caller) -> list[Frame]:
        """The final frames of an order, which is given up when the client goes away.

        Raises:
            LightningError: why there is none.
        """
        frames = await while_connected(http, self.painting.paint_all(order.requests, caller))
        self.count_use(order, caller)
        return frames

    async def frames(self, order: Order, caller: Caller) -> AsyncGenerator[tuple[int, Frame], None]:
        """Previews and final frames as they come, each with its place in the order.

        Closing it gives the order up.

        Raises:
            LightningError: why there is one picture less; the others are given up.
        """
        news: asyncio.Queue[tuple[int, Frame] | None] = asyncio.Queue()

        async def tell(place: int, value: Value) -> None:
            if isinstance(value, Frame):
                news.put_nowait((place, value))

        async def paint() -> None:
            try:
                await self.painting.paint_all(order.requests, caller, tell)
            finally:
                news.put_nowait(None)

        async with tasks(paint()) as (painting,):
            while (item := await news.get()) is not None:
                yield item
            await painting
        self.count_use(order, caller)

    def count_use(self, order: Order, caller: Caller) -> None:
        """Notes what a client has used."""
        count, steps = len(order.requests), order.requests[0].num_inference_steps
        self.usage.add(owner_of(caller), count, count * steps)

    async def keep_tidy(self) -> None:
        """Forgets what has expired while the server runs, whether or not anybody asks."""
        folder = files_folder(self.service.settings)
        await asyncio.to_thread(remove_left_ones)
        while True:
            try:
                # At first, what the server before has left.
                left = folder is not None and await asyncio.to_thread(folder.is_dir)
                if left or "store" in self.__dict__:
                    await asyncio.to_thread(self.store.sweep)
            except Exception:  # such as a disk that is full; the next look may go well
                log.exception("what has expired is not forgotten yet")
            await asyncio.sleep(SWEEP_SECONDS)

    async def aclose(self) -> None:
        """Ends jobs and store, if there were any; the engine has ended, so no job goes on."""
        for close in self.closing:
            await close()
        if "jobs" in self.__dict__:
            await self.jobs.drain()
        if "webhooks" in self.__dict__:
            await self.webhooks.aclose()
        if "usage" in self.__dict__:
            await self.usage.aclose()
        if "store" in self.__dict__:
            self.store.close()


def answers(shape: Shape) -> Callable[[Handler[Site]], Handler[Site]]:
    """A route's function whose errors are answered as its vendor does.

    A fault's own words stay in the log. The guard in front of the route answers alike (`shape`).
    """

    def decorate(handler: Handler[Site]) -> Handler[Site]:
        @wraps(handler)
        async def answer(site: Site, http: Request) -> Response:
            try:
                return await handler(site, http)
            except Exception as error:
                return shape(report_incident(error, "The request could not be answered", log))

        answer.shape = shape  # type: ignore[attr-defined]
        return answer

    return decorate


def as_problem(error: LightningError) -> Response:
    """An error in the form of RFC 9457, as our own API answers it."""
    response = problem_of(error)
    response.headers.update(headers_of(error))
    return response


def as_json(error: LightningError, status: int, content: object) -> JSONResponse:
    """An error in a vendor's own shape, with the headers that every error has."""
    return JSONResponse(content, status, headers_of(error))


def headers_of(error: LightningError) -> dict[str, str]:
    """What the answer to an error says beside its content, in whatever form that is."""
    headers = error_headers(error.status, retry_seconds_of(error))
    if isinstance(error, KeyRequired):
        headers["WWW-Authenticate"] = "Bearer"
    return headers


def bound(handler: Handler[Site], site: Site) -> Callable[[Request], Awaitable[Response]]:
    """A handler as Starlette calls it."""

    async def endpoint(http: Request) -> Response:
        return await handler(site, http)

    endpoint.__name__ = getattr(handler, "__name__", "endpoint")
    endpoint.shape = getattr(handler, "shape", as_problem)  # type: ignore[attr-defined]
    return endpoint
