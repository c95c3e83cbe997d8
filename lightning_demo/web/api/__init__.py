"""The APIs: one translation file for each vendor, all onto one way of painting."""

from __future__ import annotations

from starlette.routing import BaseRoute

from . import cog, fal_run, mcp, native, openapi, replicate
from .service import Api

__all__ = ["Api", "routes"]


def routes(api: Api) -> list[BaseRoute]:
    """All routes of all APIs."""
    vendors = (native, openapi, mcp, replicate, cog, fal_run)
    return [route for vendor in vendors for route in vendor.routes(api)]
