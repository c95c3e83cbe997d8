"""What is measured, for Prometheus to fetch."""

from __future__ import annotations

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from .service import Service


def exposition(service: Service) -> Response:
    """All metrics of a service as they are now, in Prometheus' text format."""
    service.metrics.waiting(service.engine.status().waiting)
    headers = {"Content-Type": CONTENT_TYPE_LATEST, "Cache-Control": "no-store"}
    return Response(service.metrics.exposition(), headers=headers)
