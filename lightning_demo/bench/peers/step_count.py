"""How many steps a peer has taken, told the way our own server tells it."""

from __future__ import annotations

from typing import Any

import torch
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route


class StepCount:
    """Counts the calls of a UNet; each is one step of one picture."""

    def __init__(self, unet: torch.nn.Module) -> None:
        self._steps = 0
        unet.register_forward_hook(self._count)

    def _count(self, *call: Any) -> None:
        self._steps += 1

    def route(self) -> Route:
        """The route `/metrics`."""

        async def metrics(request: Request) -> PlainTextResponse:
            return PlainTextResponse(f"lightning_steps_total {self._steps}\n")

        return Route("/metrics", metrics)
