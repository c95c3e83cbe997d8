"""One connection for all work: who hears what, and what is said when it ends, whatever ends it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

import pytest
from websockets.asyncio.server import Request, Response, ServerConnection, serve

from lightning_demo.engine.link import Link, Unlike
from lightning_demo.engine.wire import pack
from lightning_demo.errors import EngineHung, EngineUnavailable, NotTaken

Answer = Callable[[ServerConnection], Awaitable[None]]


@asynccontextmanager
async def linked(
    answer: Answer, silence_seconds: float = 30.0, **options: Any
) -> AsyncIterator[Link]:
    """The way to a server that answers so."""
    async with serve(answer, "127.0.0.1", 0, **options) as server:
        link = Link(f"http://127.0.0.1:{_port(server)}", silence_seconds=silence_seconds)
        link._connect_seconds = 30.0  # whatever counts as silence
        try:
            yield link
        finally:
            await link.aclose()


def _port(server: Any) -> int:
    return int(server.sockets[0].getsockname()[1])


async def kinds(link: Link, name: str = "one") -> list[str]:
    """Kinds of all records about one work."""
    found = []
    async with (await link.channel()).records({"name": name}) as records:
        async for record in records:
            found.append(record.kind)
            if record.is_last:
                break
    return found


def started(name: str = "one") -> bytes:
    return pack("started", {"name": name})


def last(name: str = "one") -> bytes:
    return pack("error", {"name": name, "error": "GenerationFailed", "detail": "no", "field": None})


async def say_nothing(socket: ServerConnection) -> None:
    await socket.wait_closed()


def test_works_share_one_connection_and_hear_their_own(run) -> None:
    """What is said of nobody's work is for nobody, and what is over has not to be left."""
    heard: list[Any] = []

    async def answer(socket: ServerConnection) -> None:
        names = [json.loads(await socket.recv())["name"] for _ in range(2)]
        await socket.send(pack("alive"))
        for name in reversed(names):
            await socket.send(started(name))
        await socket.send(last("somebody else's"))
        for name in names:
            await socket.send(last(name))
        heard.append([message async for message in socket])

    async def check() -> None:
        async with linked(answer) as link:
            both = await asyncio.gather(kinds(link, "one"), kinds(link, "two"))
            assert both == [["started", "error"]] * 2
        assert heard == [[]]

    run(check())


def test_one_that_has_just_ended_takes_no_work(run) -> None:
    """Nothing would ever be heard of it, though it still looks as if it could be told."""

    async def check() -> None:
        async with linked(say_nothing) as link:
            channel = await link.channel()
            channel._end(EngineUnavailable("lost"))
            with pytest.raises(NotTaken, match="has broken off"):
                async with channel.records({"name": "one"}):
                    pass

    run(check())


def test_leaving_before_the_end_is_told(run) -> None:
    async def check() -> None:
        told: asyncio.Queue[Any] = asyncio.Queue()

        async def answer(socket: ServerConnection) -> None:
            async for message in socket:
                told.put_nowait(json.loads(message))
                await socket.send(started())

        async with linked(answer) as link:
            async with (await link.channel()).records({"name": "one", "work": 1}) as records:
                assert (await anext(records)).kind == "started"
            assert await told.get() == {"name": "one", "work": 1}
            assert await told.get() == {"name": "one"}

    run(check())


@pytest.mark.parametrize(
    ("said", "error", "words"),
    [
        ([], NotTaken, "has broken off"),
        ([started()], EngineUnavailable, "has broken off"),
        ([b"\0\0\0\2{}"], NotTaken, "does not speak as it should"),
        ([started(), "hello"], EngineUnavailable, "does not speak as it should"),
    ],
)
def test_what_it_has_begun_is_lost_with_it_and_the_next_is_asked_anew(
    run, said: list[Any], error: type[Exception], words: str
) -> None:
    connections: list[ServerConnection] = []

    async def answer(socket: ServerConnection) -> None:
        connections.append(socket)
        await socket.recv()
        for message in said if len(connections) == 1 else [last()]:
            await socket.send(message)

    async def check() -> None:
        async with linked(answer) as link:
            with pytest.raises(EngineUnavailable, match=words) as caught:
                await kinds(link)
            assert type(caught.value) is error
            assert await kinds(link) == ["error"]

    run(check())
    assert len(connections) == 2


def test_one_that_is_silent_counts_as_hung(run) -> None:
    """Not while nothing is asked of it."""

    async def check() -> None:
        async with linked(say_nothing, silence_seconds=0.05) as link:
            for _ in range(2):
                with pytest.raises(EngineHung, match="has said nothing for too long"):
                    await kinds(link)

    run(check())


def test_signs_of_life_are_enough(run) -> None:
    async def answer(socket: ServerConnection) -> None:
        await socket.recv()
        for _ in range(40):
            await asyncio.sleep(0.05)
            await socket.send(pack("alive"))
        await socket.send(last())

    async def check() -> None:
        async with linked(answer, silence_seconds=1.0) as link:
            assert await kinds(link) == ["error"]

    run(check())


def test_whoever_leaves_while_it_opens_lets_it_open(run) -> None:
    async def check() -> None:
        asked, may_open = asyncio.Event(), asyncio.Event()
        handshakes: list[Request] = []

        async def wait(socket: ServerConnection, request: Request) -> None:
            handshakes.append(request)
            asked.set()
            await may_open.wait()

        async def answer(socket: ServerConnection) -> None:
            name = json.loads(await socket.recv())["name"]
            await socket.send(last(name))

        async with linked(answer, process_request=wait) as link:
            first = asyncio.ensure_future(kinds(link, "first"))
            await asked.wait()
            first.cancel()
            second = asyncio.ensure_future(kinds(link, "second"))
            may_open.set()
            assert await second == ["error"] and len(handshakes) == 1

    run(check())


@pytest.mark.parametrize(
    ("status", "headers", "body", "error", "words"),
    [
        (401, {}, b'{"detail": "Send a key."}', Unlike, "refuses this server: Send a key."),
        (404, {}, b"Not Found", Unlike, "not as a server of this demo"),
        (502, {}, b"<html>", NotTaken, r"does not answer \(HTTP 502\)"),
        (302, {"Location": "http://127.0.0.1:9/"}, b"", Unlike, "not as a server of this demo"),
    ],
)
def test_what_is_no_connection(
    run, status: int, headers: dict[str, str], body: bytes, error: type[Exception], words: str
) -> None:
    def refuse(socket: ServerConnection, request: Request) -> Response:
        answer = socket.respond(HTTPStatus(status), "")
        return Response(status, answer.reason_phrase, type(answer.headers)(headers), body)

    async def check() -> None:
        async with linked(say_nothing, process_request=refuse) as link:
            with pytest.raises(error, match=words):
                await kinds(link)

    run(check())


def test_where_nobody_listens(run) -> None:
    async def check() -> None:
        async with serve(say_nothing, "127.0.0.1", 0) as server:
            port = _port(server)
        link = Link(f"http://127.0.0.1:{port}")
        with pytest.raises(NotTaken, match="does not answer"):
            await kinds(link)
        await link.claim({"name": "one"})  # nobody is there to be told
        await link.aclose()

    run(check())
