"""The core before a device that does nothing, and one step at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np

from lightning_demo.engine.base import Work
from lightning_demo.engine.core import EngineCore
from lightning_demo.engine.events import Dropped, Failed, Painted
from lightning_demo.engine.in_flight import InFlightRequest
from lightning_demo.engine.latency_model import LatencyModel
from tests.web.fakes import LIMITS, FakeRow


class Device:
    """Does nothing; a decode beside ends when the test says so."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.step_seconds = 0.014
        self.decoded: list[list[str]] = []  # at once
        self.beside: list[tuple[list[str], Future[Any]]] = []
        self.interrupted: list[str] = []
        self.during_step: Callable[[], None] = lambda: None
        self.asked: list[bool] = []  # of every `begin`
        self.resident = True

    def begin(self, requests: Sequence[Any], *, asked: bool = True) -> tuple[list[Any], int, float]:
        self.asked.append(asked)
        return [FakeRow(request) for request in requests], len(requests), 0.0

    def step(self, rows: Sequence[FakeRow]) -> float:
        self.during_step()
        for row in rows:
            row.step += 1
            self.steps.append(row.request.prompt)
        return self.step_seconds

    def decode(self, kind: str, rows: Sequence[FakeRow]) -> tuple[list[Any], float]:
        if kind == "decoder":
            self.decoded.append(_prompts(rows))
        return self.pictures(len(rows))

    def decode_beside(self, rows: Sequence[FakeRow]) -> Future[Any]:
        decoding: Future[Any] = Future()
        if all(before.done() for _, before in self.beside):
            decoding.set_running_or_notify_cancel()
        self.beside.append((_prompts(rows), decoding))
        return decoding

    def interrupt(self, kind: str) -> None:
        self.interrupted.append(kind)

    def notes(self, row: FakeRow) -> tuple[str, ...]:
        return ()

    def is_resident(self, num_inference_steps: int) -> bool:
        return self.resident

    def seconds_to_load(self, num_inference_steps: int) -> float:
        return 0.0

    @staticmethod
    def pictures(count: int) -> tuple[list[Any], float]:
        return [np.zeros((1, 1, 3), np.uint8)] * count, 0.0


class Bench:
    """A core before such a device."""

    def __init__(self, ask: Callable[..., Any], latency_model: LatencyModel) -> None:
        self.device, self._ask = Device(), ask
        self.core = EngineCore(LIMITS, latency_model)
        self.core.start(self.device)
        self.painted: list[tuple[str, int, bool]] = []
        self.dropped: list[str] = []
        self.failed: list[str] = []

    def work(
        self, prompt: str, *, ahead: bool = False, attract: bool = False, **fields: Any
    ) -> Work:
        return Work(self._ask(prompt, **fields), since=0.0, ahead=ahead, attract=attract)

    def admit(self, prompt: str, **fields: Any) -> InFlightRequest:
        request = self.core.request(self.work(prompt, **fields), 0.0)
        self.core.admit(request)
        return request

    def step(self, times: int = 1) -> None:
        for _ in range(times):
            for event in self.core.step():
                match event:
                    case Painted(request=r):
                        self.painted.append((r.work.request.prompt, event.step, event.final))
                        self.core.take(r)
                    case Dropped(request=r):
                        self.dropped.append(r.work.request.prompt)
                    case Failed(request=r):
                        self.failed.append(r.work.request.prompt)

    @property
    def finals(self) -> list[str]:
        return [prompt for prompt, _, final in self.painted if final]


def _prompts(rows: Sequence[FakeRow]) -> list[str]:
    return [row.request.prompt for row in rows]
