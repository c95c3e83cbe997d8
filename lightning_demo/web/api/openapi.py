"""Our own API as an OpenAPI 3.1 document, and a page to browse it.

The page is Swagger UI from a package on this machine: it asks nobody outside for anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import fastapi_offline
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from ...schemas import Limits
from .native_question import WORDS, PictureQuestion
from .openapi_shapes import BYTES, MODELS, PICTURES, PROBLEM, STATUS, TEXT, USAGE, WHOLE
from .service import Api, bound

_UI = Path(fastapi_offline.__file__).parent / "static"
_UI_FILES = ("swagger-ui-bundle.js", "swagger-ui.css")


def routes(api: Api) -> list[BaseRoute]:
    """The document, the page, and what the page loads."""
    files = [Route(f"/docs/{name}", _file(_UI / name)) for name in _UI_FILES]
    return [
        Route("/v1/openapi.json", bound(document, api)),
        Route("/docs", bound(docs, api)),
        *files,
    ]


async def document(api: Api, http: Request) -> Response:
    """The OpenAPI document."""
    return JSONResponse(openapi(api.limits))


async def docs(api: Api, http: Request) -> Response:
    """Swagger UI."""
    return get_swagger_ui_html(
        openapi_url="v1/openapi.json",
        title="Lightning demo API",
        swagger_js_url="docs/swagger-ui-bundle.js",
        swagger_css_url="docs/swagger-ui.css",
        swagger_favicon_url="web/favicon.svg",
    )


def openapi(limits: Limits) -> dict[str, Any]:
    """The document; the schema of a question comes from the model that reads it."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Lightning demo",
            "version": "1",
            "description": "Pictures from text by SDXL-Lightning, in 1, 2, 4 or 8 steps.",
        },
        "paths": {
            "/v1/pictures": {"post": _pictures()},
            "/v1/models": {"get": _get("The model and its limits", "models", MODELS)},
            "/v1/usage": {"get": _get("What you have used", "usage", USAGE)},
            "/files/{name}": {"get": _a_file()},
            "/healthz": {"get": _get("Whether the server is alive", "health", STATUS)},
            "/readyz": {"get": _ready()},
            "/metrics": {"get": _metrics()},
        },
        "components": {
            "schemas": {
                "PictureQuestion": _question(limits, strict=False),
                "StrictPictureQuestion": _strict_question(limits),
                "Problem": PROBLEM,
            },
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"key": []}],
    }


def _question(limits: Limits, *, strict: bool) -> dict[str, Any]:
    """What `POST /v1/pictures` takes, with or without `strict`."""
    schema = PictureQuestion.model_json_schema()
    schema.pop("description", None)
    schema["properties"]["style"]["enum"] = [*(style.name for style in limits.styles), "", None]
    words = {"morph_prompt": {"type": "string", "pattern": WORDS}}
    schema["allOf"] = [
        {
            "anyOf": [
                {"properties": {"morph_strength": {"enum": [0, None]}}},
                {"properties": words, "required": ["morph_prompt"]},
            ]
        }
    ]
    schema["properties"]["strict"] = {"const": True} if strict else {"enum": [False, None]}
    return schema


def _strict_question(limits: Limits) -> dict[str, Any]:
    """With `strict`, only what this model paints exactly as asked."""
    schema = _question(limits, strict=True)
    fields = schema["properties"]
    counts = {"enum": [*limits.num_inference_steps, None]}
    fields["num_inference_steps"] = counts
    schema["required"].append("strict")
    none: list[tuple[int | None, int | None]] = [(None, None)]
    sizes = [
        {"properties": {"width": {"const": width}, "height": {"const": height}}, "required": names}
        for width, height in (*limits.sizes, *none)
        for names in ([] if width is None else ["width", "height"],)
    ]
    resolutions = {"enum": [*(f"{w}x{h}" for w, h in limits.sizes), None]}
    schema["allOf"] += [
        {"anyOf": sizes},
        # What something else comes before may be anything.
        {"anyOf": [{"properties": {"steps": counts}}, _whole("num_inference_steps")]},
        {"anyOf": [{"properties": {"resolution": resolutions}}, _whole("width")]},
    ]
    return schema


def _whole(name: str) -> dict[str, Any]:
    """Where a field has a whole number."""
    return {"properties": {name: WHOLE}, "required": [name]}


def _pictures() -> dict[str, Any]:
    picture = {name: BYTES for name in ("image/jpeg", "image/png", "image/webp")}
    questions = [{"$ref": _schema(f"{kind}PictureQuestion")} for kind in ("", "Strict")]
    return {
        "operationId": "paint",
        "summary": "Paint pictures",
        "description": (
            "Accept chooses the answer: application/json, image/jpeg, image/png or image/webp "
            "(one picture), or text/event-stream (events preview, picture, done, error). Steps and "
            "sizes that the model does not have become the nearest that it has, with a warning; "
            "strict refuses them."
        ),
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"anyOf": questions}}},
        },
        "responses": {
            "200": {
                "description": "The pictures",
                "headers": {
                    "X-Seed": {"schema": TEXT},
                    "X-Model": {"schema": TEXT},
                    "X-Warnings": {"schema": TEXT, "description": "A JSON list"},
                    "Server-Timing": {"schema": TEXT, "description": "The engine's, by stage"},
                },
                "content": {
                    "application/json": {"schema": PICTURES},
                    "text/event-stream": {"schema": TEXT},
                    **picture,
                },
            },
            **_problems(400, 401, 403, 408, 413, 415, 422, 429, 500, 503),
        },
    }


def _a_file() -> dict[str, Any]:
    picture = {name: BYTES for name in ("image/jpeg", "image/png", "image/webp")}
    return {
        "operationId": "file",
        "summary": "A finished picture",
        "parameters": [{"name": "name", "in": "path", "required": True, "schema": TEXT}],
        "responses": {
            "200": {"description": "The picture", "content": picture},
            **_problems(404, 503),
        },
    }


def _ready() -> dict[str, Any]:
    operation = _get("Whether pictures can be asked for", "ready", STATUS)
    operation["responses"] |= _problems(503)
    return operation


def _metrics() -> dict[str, Any]:
    operation = _get("What is measured, in Prometheus' text format", "metrics", TEXT)
    content = operation["responses"]["200"]["content"]
    content["text/plain"] = content.pop("application/json")
    return operation


def _get(summary: str, name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "operationId": name,
        "summary": summary,
        "responses": {
            "200": {
                "description": summary,
                "content": {"application/json": {"schema": schema}},
            },
            **_problems(401, 403, 503),
        },
    }


def _problems(*statuses: int) -> dict[str, Any]:
    content = {"application/problem+json": {"schema": {"$ref": _schema("Problem")}}}
    later = {"Retry-After": {"schema": WHOLE, "description": "Seconds"}}
    return {
        str(status): {
            "description": "What is wrong, and with which field",
            "content": content,
            **({"headers": later} if status in (429, 503) else {}),
        }
        for status in statuses
    }


def _schema(name: str) -> str:
    return f"#/components/schemas/{name}"


def _file(path: Path) -> Any:
    def answer(request: Request) -> Response:
        return FileResponse(path, headers={"Cache-Control": "max-age=86400"})

    return answer
