"""The APIs: one translation file for each vendor, all onto one way of painting."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.routing import BaseRoute, Match
from starlette.types import Scope

from ..http_json import Shape
from . import (
    a1111,
    a1111_settings,
    cloudflare,
    cog,
    fal_run,
    hugging_face,
    mcp,
    native,
    openai,
    openapi,
    replicate,
    runflow,
    synexa,
    work,
)
from .service import Api, as_problem

__all__ = ["Api", "routes", "shape_of"]

VENDORS = (
    native,
    openapi,
    mcp,
    replicate,
    cog,
    fal_run,
    openai,
    hugging_face,
    a1111,
    a1111_settings,
    cloudflare,
    runflow,
    synexa,
    work,
)


def routes(api: Api) -> list[BaseRoute]:
    """All routes of all APIs."""
    return [route for vendor in VENDORS for route in vendor.routes(api)]


def shape_of(routes: Sequence[BaseRoute], scope: Scope) -> Shape:
    """How the route that a request is for answers errors; as our own API where there is none."""
    for route in routes:
        if route.matches(scope)[0] is Match.FULL:
            shape: Shape = getattr(getattr(route, "endpoint", None), "shape", as_problem)
            return shape
    return as_problem
