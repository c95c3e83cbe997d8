"""The APIs: one translation file for each vendor, all onto one way of painting."""

from __future__ import annotations

from starlette.routing import BaseRoute

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
)
from .service import Api

__all__ = ["Api", "routes"]

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
)


def routes(api: Api) -> list[BaseRoute]:
    """All routes of all APIs."""
    return [route for vendor in VENDORS for route in vendor.routes(api)]
