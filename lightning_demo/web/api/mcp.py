"""The Model Context Protocol: assistants paint by the tool `paint`, over HTTP at `/mcp` or stdio.

The protocol itself is the official SDK's, imported when somebody first asks.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Awaitable, Callable, Container, Sequence
from inspect import signature
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field
from starlette.requests import Request
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ...engine.base import Engine, Value
from ...errors import EngineUnavailable, LightningError
from ...schemas import MAX_GUIDANCE_SCALE, MAX_SEED, Frame
from ..callers import Caller
from ..http_json import read_body
from ..painting import Painting, Tell
from ..vocabularies import vocabulary
from .files import encoded
from .native import described_model
from .order import MAX_SIDE, MAX_STEPS, Asked, Order, Output, no_effect, place
from .service import Api, as_problem

if TYPE_CHECKING:
    from mcp.server import MCPServer
    from mcp.server.mcpserver import Context

NAME = "lightning-demo"
INSTRUCTIONS = (
    "Paints pictures from text with SDXL-Lightning. Short prompts work best. Ask `models` for the "
    "steps and sizes there are; if the model is the miniature, it knows only the words of the "
    "resource words://known."
)
WORDS = "words://known"

# The HTTP request that it came by (None: by none), what is asked for, and whom to tell of it.
Paint = Callable[[Any, Asked, Tell], Awaitable[tuple[Order, Frame]]]


def routes(api: Api) -> list[BaseRoute]:
    """The protocol's one address."""
    endpoint = McpEndpoint(api)
    api.closing.append(endpoint.aclose)
    return [Route("/mcp", endpoint)]


class McpEndpoint:
    """ASGI application: lets callers in, and hands what they say to the SDK."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._app: ASGIApp | None = None
        self._running: asyncio.Task[None] | None = None
        self._stop = asyncio.Event()
        self._lock = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            caller = self._api.caller(Request(scope))
            body = await read_body(Request(scope, receive))  # the SDK would wait without end
            app = await self._started()
        except LightningError as error:
            await as_problem(error)(scope, receive, send)
            return
        scope.setdefault("state", {})["caller"] = caller
        unread = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def receive_again() -> Message:
            return next(unread, None) or await receive()

        await app(scope, receive_again, send)

    async def aclose(self) -> None:
        """Ends what the SDK keeps running."""
        self._stop.set()
        if self._running is not None:
            await asyncio.wait([self._running])

    async def _paint(self, http: Request, asked: Asked, tell: Tell) -> tuple[Order, Frame]:
        caller: Caller = http.state.caller
        self._api.painting.admit(caller)
        order = self._api.place(asked, caller)
        (frame,) = await self._api.painting.paint_all(order.requests, caller, tell)
        self._api.count_use(order, caller)
        return order, frame

    def _model(self) -> dict[str, Any]:
        return described_model(self._api.service.engine.status())

    def _words(self) -> Sequence[str]:
        return known_words(self._api.service.engine.status().model)

    async def _started(self) -> ASGIApp:
        async with self._lock:
            if self._app is not None:
                return self._app
            try:
                from mcp.server.transport_security import TransportSecuritySettings
            except ImportError:
                raise EngineUnavailable(
                    "The package mcp is not installed: pip install mcp."
                ) from None

            server = mcp_server(self._paint, self._model, self._words)
            # Stateless: a session that is kept for a client would have to be limited and ended.
            app = server.streamable_http_app(
                stateless_http=True,
                # Hosts and origins are the guard's.
                transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
            )
            ready = asyncio.Event()
            self._running = asyncio.create_task(self._run(server, ready))
            await ready.wait()
            self._app = app
            return app

    async def _run(self, server: MCPServer[Any], ready: asyncio.Event) -> None:
        async with server.session_manager.run():
            ready.set()
            await self._stop.wait()


def known_words(model: str) -> list[str]:
    """The words that a model of a small world knows; none of one that knows any."""
    groups = vocabulary(model).groups
    return [phrase for phrases in groups.values() for phrase in phrases]


async def serve_stdio(engine: Engine) -> None:
    """Speaks the protocol over standard input and output, until the input ends."""
    caller = Caller("address", "stdio", math.inf)
    painting = Painting(engine)

    async def paint(http: None, asked: Asked, tell: Tell) -> tuple[Order, Frame]:
        order = place(asked, engine.status().limits)
        (frame,) = await painting.paint_all(order.requests, caller, tell)
        return order, frame

    def words() -> list[str]:
        return known_words(engine.status().model)

    server = mcp_server(paint, lambda: described_model(engine.status()), words)
    try:
        await server.run_stdio_async()
    finally:
        await engine.aclose()


def mcp_server(
    paint: Paint, model: Callable[[], dict[str, Any]], words: Callable[[], Sequence[str]]
) -> MCPServer[Any]:
    """The tools and resources, whoever paints.

    Args:
        model: what is known of the model that is served.
        words: that it knows; none: any.
    """
    from mcp.server import MCPServer
    from mcp.server.mcpserver import Context, Image
    from mcp.server.mcpserver.exceptions import ToolError

    # Their annotations are read from the module's names.
    globals().update(Context=Context, Image=Image)
    server: MCPServer[Any] = MCPServer(NAME, title="Lightning demo", instructions=INSTRUCTIONS)

    @server.tool(name="paint", title="Paint a picture", structured_output=False)
    async def paint_tool(
        context: Context,
        prompt: Annotated[str, Field(description="What the picture shows.")],
        negative_prompt: Annotated[
            str, Field(description="What it does not show; acts with guidance above 1.")
        ] = "",
        num_inference_steps: Annotated[
            int | None, Field(ge=1, le=MAX_STEPS, description="1, 2, 4 or 8; 4 is usual.")
        ] = None,
        guidance_scale: Annotated[
            float | None, Field(ge=0, le=MAX_GUIDANCE_SCALE, description="0 is best.")
        ] = None,
        seed: Annotated[
            int | None, Field(ge=0, le=MAX_SEED, description="The same gives the same picture.")
        ] = None,
        width: Annotated[int | None, Field(ge=8, le=MAX_SIDE, description="Pixels.")] = None,
        height: Annotated[int | None, Field(ge=8, le=MAX_SIDE, description="Pixels.")] = None,
    ) -> list[Image | str]:
        """Paints a picture of a text; returns it with the settings that paint it again."""
        size = (width or height or 0, height or width or 0) if width or height else None
        asked = Asked(
            prompt,
            negative_prompt,
            num_inference_steps,
            guidance_scale,
            seed,
            size,
            output=Output("jpeg"),
            names={"size": "height" if width is None else "width"},
            warnings=no_effect(_unknown(context, signature(paint_tool).parameters)),
        )

        async def tell(number: int, value: Value) -> None:
            if isinstance(value, Frame):
                await context.report_progress(value.step, value.request.num_inference_steps)

        try:
            order, frame = await paint(context.request_context.request, asked, tell)
        except LightningError as error:
            raise ToolError(error.message) from None
        about = {
            **frame.request.as_dict(),
            "model": frame.model,
            "warnings": order.told([frame]),
        }
        return [Image(data=await encoded(frame, order.output), format="jpeg"), json.dumps(about)]

    @server.tool(name="models", title="The model", structured_output=True)
    def models_tool() -> dict[str, Any]:
        """The model that paints: its step counts, its sizes, and how it is doing."""
        return model()

    @server.resource(WORDS, title="Known words", mime_type="text/plain")
    def words_resource() -> str:
        """The words that the model knows; empty where it knows any."""
        return "\n".join(words())

    return server


def _unknown(context: Context, known: Container[str]) -> dict[str, Any]:
    """The arguments of a call that its tool does not have, which the SDK drops in silence."""
    given = (context.request_context.params or {}).get("arguments") or {}
    return {name: value for name, value in given.items() if name not in known}
