"""The APIs: one translation file for each vendor, all onto one way of painting."""

from __future__ import annotations

from starlette.routing import BaseRoute

from . import a1111, a1111_settings, cloudflare, hugging_face, native, openai, runflow, synexa
from .service import Api

__all__ = ["Api", "routes"]


def routes(api: Api) -> list[BaseRoute]:
    """All routes of all APIs."""
    return [
        *native.routes(api),
        *openai.routes(api),
        *hugging_face.routes(api),
        *cloudflare.routes(api),
        *runflow.routes(api),
        *synexa.routes(api),
        *a1111.routes(api),
        *a1111_settings.routes(api),
    ]
