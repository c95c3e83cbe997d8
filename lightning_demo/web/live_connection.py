"""What one tab asks and is told; the same for every way that messages travel."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections import deque
from collections.abc import AsyncIterator, Callable, Hashable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from ..engine.base import Engine
from ..engine.session import LiveEvent, LiveSession
from ..errors import EngineUnavailable, InvalidRequest, LightningError
from ..schemas import Frame, GenerationRequest
from ..settings import Settings
from . import messages
from .admission import Seats
from .messages import ClientMessage, Message

LINE_SECONDS = 1.0  # a shorter wait for a picture is not worth a word
NO_LINE = messages.line(None)
GUESSED = {"prompt", "num_inference_steps"}  # fields: others would cost more, or are random
NO_PLAY = "attract: this server does not let pages play by themselves now."
NO_STAGE = "present: this way to the server has no stage."
MAX_ERRORS = 8  # unread; a page that reads slowly misses older ones


class Observer(Protocol):
    """One who sees what a connection asks for and gets; returns at once."""

    def present(self, sequence: int, fields: Mapping[str, Any]) -> None:
        """The page wants something of its observer."""
        ...

    def asked(self, sequence: int, prompt: str) -> None:
        """A picture was asked for; the prompt is as it was typed."""
        ...

    def painted(self, frame: Frame, budget: float | None) -> None:
        """A frame is on its way to the page."""
        ...

    def close(self) -> None:
        """The connection has ended."""
        ...


class LiveConnection:
    """A live session, the seat that it needs, and what its page is told.

    Belongs to one event loop; `events` and the outbox have one reader each.
    """

    def __init__(
        self,
        engine: Engine,
        settings: Settings,
        admission: Seats,
        client: Hashable = None,
        *,
        yields: bool = False,
    ) -> None:
        """
        Args:
            client, yields: as of `LiveSession`.
        """
        self._engine = engine
        self._session = LiveSession(engine, settings, client, yields=yields)
        self._admission = admission
        # A lent GPU is for what somebody asks for; without a cache a guess would be for nothing.
        lent, keeps = engine.status().submit_on_enter, settings.memory_mb > 0
        self._paints_ahead = settings.ahead and keeps and not lent
        self._plays = settings.attract > 0 and not lent
        self._kept: Callable[[], None] | None = None  # submits what was last asked for
        self._budget: float | None = None
        self.ended = asyncio.Event()  # set when the server wants it to end
        self.draining = False
        self.seen: int | None = None  # frames acknowledged; None: the page does not acknowledge
        self.acknowledged = asyncio.Event()
        self.watching = False  # whether the page shows how much there is to do
        self.load_due = 0.0  # when it is told next, by time.monotonic()
        self.outbox = Outbox()
        self.line = NO_LINE  # as it was last told
        self.observer: Observer | None = None
        self._newest = -1
        self._unknown = 0  # times in a row that there was no forecast of a wait

    @property
    def busy(self) -> bool:
        """Whether a picture that was asked for has not come yet."""
        return self.painting or self.waits_for_seat

    @property
    def waits_for_seat(self) -> bool:
        """Whether it has asked for a picture and stands in line for a seat."""
        return self._kept is not None

    @property
    def painting(self) -> bool:
        """Whether the engine works for it."""
        return not self._session.idle

    def receive(self, message: ClientMessage, *, in_order: bool = True) -> Message | None:
        """Acts on a message; returns the answer when that is an error.

        Args:
            in_order: false when messages may overtake one another; a late one is ignored.
        """
        sequence = message.sequence
        try:
            if message.problem is not None:
                raise message.problem
            if message.pause:
                self._pause()
            elif message.seen is not None:
                self.seen = message.seen
                self.acknowledged.set()
            elif message.watch is not None:
                self.watching = message.watch
            elif message.present is not None:
                if self.observer is None:
                    raise InvalidRequest(NO_STAGE, field="present")
                self.observer.present(sequence, message.present)
            elif message.fields is not None and (in_order or sequence >= self._newest):
                self._newest = sequence
                if message.attract:
                    self._play(sequence, message.fields)
                else:
                    self.submit(sequence, message.fields, message.budget, message.ahead)
        except LightningError as problem:
            return messages.error(sequence, problem)
        return None

    def submit(
        self,
        sequence: int,
        fields: Mapping[str, Any],
        budget: float | None = None,
        ahead: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Asks for a picture; whatever was asked before is superseded.

        Without a seat the request is kept, and painted when there is one.

        Args:
            budget: as of `LiveSession.submit`.
            ahead: fields in which guesses at the next request differ from this one.

        Raises:
            LightningError: the fields cannot be painted, or the server is going away.
        """
        if self.draining:
            raise EngineUnavailable(messages.DRAINING)
        request = GenerationRequest.parse(fields, self._engine.status().limits)
        if self.observer is not None:
            self.observer.asked(sequence, str(fields["prompt"]))
        self._budget = self._budget if budget is None else budget
        # The context says whose picture it is (see LiveSession), whoever frees the seat for it.
        context = contextvars.copy_context()
        guesses = self._guesses(fields, ahead)
        self._kept = partial(
            context.run, self._session.submit, sequence, request, self._budget, guesses
        )
        self._admission.request_seat(self)

    def seated(self) -> None:
        """It has a seat: what it last asked for is painted."""
        self.tell_line(NO_LINE)
        kept, self._kept = self._kept, None
        if kept is not None:
            kept()

    def drain(self) -> None:
        """Asks for nothing new; what is being painted may finish."""
        self.draining = True
        self._kept = None
        self._session.stop_guessing()

    def tell_line(self, message: Message) -> None:
        """How long the line before it is; the page is told when that has changed."""
        if message != self.line:
            self.line = message
            self.outbox.put(message)

    def tell_wait(self) -> None:
        """How long its picture still waits in the engine's line; called often."""
        if self.waits_for_seat:
            return
        forecast = self._session.forecast()
        told = self.line["what"] is not None
        if forecast is not None and (told or forecast.wait > LINE_SECONDS):
            self._unknown = 0
            self.tell_line(messages.line("picture", forecast.ahead, forecast.wait))
        elif told:
            # While somebody types there is no forecast for a moment, between two requests.
            self._unknown += 1
            if self._unknown > 1:
                self.tell_line(NO_LINE)

    async def events(self) -> AsyncIterator[LiveEvent]:
        """Yields the newest frame or error not yet read, until the connection is closed."""
        async for event in self._session.events():
            if not self.waits_for_seat:
                self.tell_line(NO_LINE)
            observer = None if event.attract else self.observer
            if observer is not None and event.frame is not None:
                observer.painted(event.frame, event.budget)
            yield event

    async def aclose(self) -> None:
        """Stops all work."""
        self.ended.set()
        self._kept = None
        if self.observer is not None:
            self.observer.close()
        self._admission.leave(self)
        await self._session.aclose()

    def _guesses(
        self, fields: Mapping[str, Any], ahead: Sequence[Mapping[str, Any]]
    ) -> tuple[GenerationRequest, ...]:
        """What may be painted ahead. A guess that could not be asked for is left out, silently."""
        if not self._paints_ahead or fields.get("seed") is None:  # another seed, another picture
            return ()
        limits, found = self._engine.status().limits, []
        for each in ahead:
            if each.keys() <= GUESSED:
                with contextlib.suppress(InvalidRequest):
                    found.append(GenerationRequest.parse({**fields, **each}, limits))
        return tuple(found)

    def _play(self, sequence: int, fields: Mapping[str, Any]) -> None:
        """Paints for a page that plays by itself, while nobody wants anything.

        It takes no seat and waits for none, and no wall shows it.

        Raises:
            LightningError: the fields cannot be painted, or nothing may play here now.
        """
        if self.draining or self.waits_for_seat or not self._plays:
            raise EngineUnavailable(NO_PLAY)
        request = GenerationRequest.parse(fields, self._engine.status().limits)
        self._session.submit(sequence, request, attract=True)

    def _pause(self) -> None:
        self._session.pause()
        if self._kept is not None:
            self._kept = None
            self._admission.leave(self)
        self.tell_line(NO_LINE)


class Outbox:
    """Messages beside the frames, not yet sent: of each kind the newest, and the latest errors."""

    def __init__(self) -> None:
        self._newest: dict[str, Message] = {}
        self._errors: deque[Message] = deque(maxlen=MAX_ERRORS)
        self._wake = asyncio.Event()

    def put(self, message: Message) -> None:
        """Leaves a message for the reader."""
        if message["type"] == "error":
            self._errors.append(message)
        else:
            self._newest[message["type"]] = message
        self._wake.set()

    async def __aiter__(self) -> AsyncIterator[Message]:
        while True:
            while self._newest or self._errors:
                if self._newest:
                    yield self._newest.pop(next(iter(self._newest)))
                else:
                    yield self._errors.popleft()
            self._wake.clear()
            await self._wake.wait()
