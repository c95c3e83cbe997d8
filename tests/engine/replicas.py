"""Engines in other processes for tests: one whose sampler a test holds, one of plain colours.

Ray's workers import this file, and so does `painting_process`. What a test asks of them comes over
HTTP, beside the real routes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route

from lightning_demo.engine.base import Engine
from lightning_demo.engine.metrics import Metrics
from lightning_demo.settings import Settings
from lightning_demo.web.engine_server import EngineServer
from lightning_demo.web.replica import Replica

from .moments import settle

STEP_SECONDS = 0.15


class Controlled(EngineServer):
    """Its steps can be held from another process: see `FarSampler`."""

    _sampler: Any  # what is held

    def _routes(self) -> list[BaseRoute]:
        return [*super()._routes(), Route("/test/{name}", self._do, methods=["POST"])]

    async def _do(self, http: Request) -> JSONResponse:
        self._caller(http)
        match http.path_params["name"]:
            case "renew":
                await self._renew()
            case "hold":
                self._sampler.hold()
            case "hold_at":
                self._sampler.hold_at(int(http.query_params["steps"]))
            case "release":
                self._sampler.release()
        return JSONResponse(
            {
                "steps": self._sampler.steps,
                "reached": self._sampler.held,
                "streams": self._painting._pictures.total(),
                "waiting": self._local.status().waiting,
            }
        )

    async def _renew(self) -> None:
        raise NotImplementedError


class Colours(Controlled):
    """Paints plain colours, at a pace that leaves time to kill it; needs no model."""

    def _engine(self, settings: Settings, metrics: Metrics) -> tuple[Engine, Engine]:
        from ..web.fakes import FakeEngine

        engine = self._sampler = FakeEngine(step_seconds=STEP_SECONDS)
        return engine, engine


class ColourReplica(Colours, Replica):
    """The same as a replica of Ray."""


class Observed(Controlled):
    """The miniature's quick form behind an observed sampler; a new engine for each test."""

    def _engine(self, settings: Settings, metrics: Metrics) -> tuple[Engine, Engine]:
        import torch

        from lightning_demo.model.loading import load_components
        from lightning_demo.model.sampling.sampler import Sampler
        from lightning_demo.model.weights.checkpoints import MINIATURE

        from ..quick import quick_components
        from ..web.fakes import Stage

        torch.set_num_threads(1)
        self._components = quick_components(load_components(MINIATURE, "cpu"))
        Sampler(self._components).warm_up()
        self._own_metrics = metrics
        self._stage = Stage(self._observed())
        return self._stage, self._stage

    def _observed(self) -> Engine:
        from lightning_demo.engine.build import about
        from lightning_demo.engine.local import LocalEngine
        from lightning_demo.model.weights.checkpoints import MINIATURE

        from .observed import ObservedSampler, known_latencies

        sampler = self._sampler = ObservedSampler(self._components)
        engine = LocalEngine(
            lambda report: sampler,
            about(MINIATURE),
            latency_model=known_latencies(),
            metrics=self._own_metrics,
        )
        while engine.status().state == "loading":
            time.sleep(0.005)
        sampler.steps.clear()
        return engine

    async def _renew(self) -> None:
        self._sampler.release()
        before, self._stage.engine = (
            self._stage.engine,
            await asyncio.to_thread(self._observed),
        )
        await before.aclose()


class ObservedReplica(Observed, Replica):
    """The same as a replica of Ray."""


class FarSampler:
    """The sampler of an observed replica, as a test in another process sees it."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url
        headers = {"Authorization": f"Bearer {key}"}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=30)

    def tell(self, name: str, **options: int) -> dict[str, Any]:
        """Asks for something; what is known then."""
        answer = self._http.post(f"/test/{name}", params=options).raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    @property
    def steps(self) -> list[str]:
        """Prompt of every step taken."""
        return list(self.tell("look")["steps"])

    def hold(self) -> None:
        """Lets the next step wait until `release`."""
        self.tell("hold")

    def hold_at(self, steps: int) -> None:
        """Holds at the step of this number, counted from now."""
        self.tell("hold_at", steps=steps)

    def release(self) -> None:
        """Lets steps go on."""
        self.tell("release")

    async def reached(self) -> None:
        """Waits until a step waits."""
        await self.until(lambda known: bool(known["reached"]))

    async def until(self, condition: Callable[[dict[str, Any]], bool]) -> None:
        """Waits until something is known there."""
        while not condition(self.tell("look")):
            await settle()

    def close(self) -> None:
        """Closes the connection."""
        self._http.close()
