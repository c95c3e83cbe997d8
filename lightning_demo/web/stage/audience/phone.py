"""One phone: what its member says, on a live connection of its own; and what it is told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ....engine.checked import BLURRED
from ....errors import EngineUnavailable, InvalidRequest, LightningError
from ....images import add_settings
from ....schemas import EngineStatus, Frame, GenerationRequest
from ... import messages
from ...live_connection import LiveConnection
from ...messages import ClientMessage
from ..battle.crowd import take_part
from ..battle.easel import Easel
from ..battle.sides import Side
from ..wall import Picture
from .audience import Audience
from .clean import PROMPT_CHARACTERS, clean, visible
from .members import Member
from .pace import PACE_SECONDS, Pace
from .phone_messages import PhoneMessage
from .tray import Painting

PACE_IN_LINE = 0.6  # while it has no seat
NOT_YET = "Wait until your picture is finished."
ONE_BY_ONE = "Your picture before this one is still on its way; send it again."


@dataclass(frozen=True, slots=True)
class Asked:
    """The newest that was asked for."""

    sequence: int
    request: GenerationRequest


class Phone:
    """Sees what its connection gets (`live_connection.Observer`). Belongs to one event loop."""

    def __init__(
        self,
        audience: Audience,
        member: Member,
        connection: LiveConnection,
        status: Callable[[], EngineStatus],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            status: of the engine, as it is now.
        """
        self.over = asyncio.Event()
        self.reason, self.message = "", ""  # why it is over
        self._audience, self._member, self._connection = audience, member, connection
        self._status, self._clock = status, clock
        self._asked: Asked | None = None
        self._painting: tuple[int, Painting] | None = None  # finished, and of which sequence
        self._blurred = -1  # the newest sequence whose picture is not to be seen
        self._pace: Pace[PhoneMessage] = Pace(self._submit)
        self._easel = Easel(audience.ring, connection) if audience.ring is not None else None
        self._told: dict[str, Any] = {}
        self._sending: asyncio.Task[None] | None = None
        self._sent = -1  # the sequence of what was sent last
        if member.phone is not None:
            member.phone.end("taken", "This phone takes part in another window now.")
        member.phone = self
        connection.observer = self
        credit = member.credit()
        connection.outbox.put({"type": "welcome", "token": member.token, **credit})
        audience.changed = True
        self.look()
        if self._side is not None and audience.ring is not None:
            audience.ring.came_or_went()

    def receive(self, message: PhoneMessage) -> None:
        """Does what the member wants, or says why not."""
        member, now = self._member, self._clock()
        try:
            if message.kind == "seen":
                self._connection.receive(ClientMessage(seen=message.number))
            elif message.kind == "prompt":
                self._pace.put(message)
            elif message.kind == "name":
                self._audience.rename(member, message.text, now)
                self._answer("name", name=member.name)
            elif message.kind == "vote":
                self._audience.vote(member, message.number, message.on, now)
                self.look()
            elif message.kind == "send":
                self._send(message.number)
            elif self._audience.ring is not None:
                self._audience.take_part(member, now)
                take_part(self._audience.ring, member, message)
                self.look()
        except LightningError as problem:
            self._answer(message.kind, problem.message, name=member.name)

    def look(self) -> None:
        """Tells what is new in the hall."""
        if self._easel is not None:
            self._easel.show_target(self._side)
        view = self._audience.view(self._member)
        if view != self._told:
            closes = self._told.get("open") and not view["open"]
            self._told = view
            self._connection.outbox.put(view)
            if closes:
                self._pause()
                self._member.seat.give_up()

    def end(self, reason: str, message: str) -> None:
        """It is over, and why."""
        self.reason, self.message = reason, message
        self.over.set()

    # As an observer of its connection ---------------------------------------------------------

    def present(self, sequence: int, fields: Mapping[str, Any]) -> None:
        """Phones do not present."""
        raise InvalidRequest("present: phones do not present.")

    def asked(self, sequence: int, prompt: str) -> None:
        """Known already."""

    def painted(self, frame: Frame, budget: float | None) -> None:
        """A picture is on its way to the phone: once finished, it may be sent."""
        if self._easel is not None:
            self._easel.painted(self._side, frame)
        asked = self._asked
        if not frame.final or asked is None or frame.request != asked.request:
            return
        if not frame.may_be_shown:
            self._blurred = asked.sequence
        else:
            frame = replace(frame, model=frame.model or self._status().model)
            header = messages.frame_header(0, replace(frame, timings=dict(frame.timings)))
            del header["prompt"], header["notes"]
            data = frame.data
            if frame.media_type == "image/jpeg" and frame.pixels is not None:
                data = add_settings(data, frame.pixels, frame.request, frame.model)
            picture = Picture(header, data)
            self._painting = asked.sequence, Painting(frame.request.prompt, frame.request, picture)

    def close(self) -> None:
        """The connection has ended; its member may come back."""
        self._pace.close()
        self._audience.members.leave(self._member, self, self._clock())
        self._audience.changed = True
        if self._side is not None and self._audience.ring is not None:
            self._audience.ring.came_or_went()

    # ------------------------------------------------------------------------------------------

    @property
    def _side(self) -> Side | None:
        """On which its member plays in a battle."""
        ring = self._audience.ring
        return ring.side_of(self._member) if ring is not None else None

    def _submit(self, message: PhoneMessage) -> float:
        waits = self._connection.line["what"] == "seat"
        if not self.over.is_set():
            self._paint(message)
        return PACE_IN_LINE if waits else PACE_SECONDS

    def _paint(self, message: PhoneMessage) -> None:
        side, ring = self._side, self._audience.ring
        if side is not None and ring is not None and ring.paused and self._easel is not None:
            try:
                self._easel.type(side, message.number, message.text)
            except LightningError as problem:
                self._answer("prompt", problem.message, sequence=message.number)
            return
        text = clean(message.text, PROMPT_CHARACTERS)
        try:
            if not visible(text):
                self._pause()
                return
            self._audience.check(text)
            fields = {"prompt": text, "seed": message.seed}
            request = GenerationRequest.parse(fields, self._status().limits)
            self._asked = Asked(message.number, request)
            self._connection.submit(message.number, fields)
        except LightningError as problem:
            self._pause()
            self._answer("prompt", problem.message, sequence=message.number)

    def _pause(self) -> None:
        """Nothing is asked for any more."""
        self._asked = None
        if self._connection.line["what"] == "seat":
            self._member.seat.give_up()
        self._connection.receive(ClientMessage(pause=True))

    def _send(self, sequence: int) -> None:
        if sequence == self._blurred:
            raise InvalidRequest(BLURRED)
        if self._painting is None or self._painting[0] != sequence:
            raise EngineUnavailable(NOT_YET)
        if self._sending is not None and not self._sending.done():
            if self._sent == sequence:
                return  # a button that was pressed twice
            raise EngineUnavailable(ONE_BY_ONE)
        self._sent = sequence
        self._sending = asyncio.create_task(self._enter(self._painting[1]))

    async def _enter(self, painting: Painting) -> None:
        try:
            await self._audience.send(self._member, painting, self._clock())
        except LightningError as problem:
            self._answer("send", problem.message)
        else:
            self._answer("send")
            self.look()

    def _answer(self, kind: str, problem: str = "", **more: Any) -> None:
        self._connection.outbox.put({"type": kind, "problem": problem, **more})
