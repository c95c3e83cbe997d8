"""The OpenAPI document that Cog makes of a model, made from a pydantic model.

As `cog build` does (pkg/schema/openapi_spec.go of replicate/cog): clients and coglet itself read
from it what an input may be.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from pydantic import BaseModel

COG_VERSION = "0.23.1"  # whose form this is

_KEPT = ("type", "minimum", "maximum", "minLength", "maxLength", "pattern")
_REFERENCE = "#/components/schemas/"


@cache
def cog_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The document of a model that takes `model` and answers with a list of pictures."""
    text = {"type": "string"}
    schemas: dict[str, Any] = {}
    properties = {
        name: _property(name, schema, order, schemas)
        for order, (name, schema) in enumerate(model.model_json_schema()["properties"].items())
    }
    item = {**text, "format": "uri"}
    time = {**text, "format": "date-time"}
    components = {
        "Input": {"title": "Input", "type": "object", "properties": properties},
        "Output": {"title": "Output", "type": "array", "items": item},
        **schemas,
        "PredictionRequest": _object(
            "PredictionRequest", id=text, input=_reference("Input"), webhook=text
        ),
        "PredictionResponse": _object(
            "PredictionResponse",
            input=_reference("Input"),
            output=_reference("Output"),
            id=text,
            version=text,
            created_at=time,
            started_at=time,
            completed_at=time,
            status=_reference("Status"),
            error=text,
            logs=text,
            metrics={"type": "object"},
        ),
        "Status": {
            **_enumeration("Status", ["starting", "processing", "succeeded", "canceled", "failed"])
        },
        "HTTPValidationError": _object(
            "HTTPValidationError",
            detail={"type": "array", "items": _reference("ValidationError")},
        ),
        "ValidationError": _object(
            "ValidationError",
            loc={"type": "array", "items": {"anyOf": [text, {"type": "integer"}]}},
            msg=text,
            type=text,
        ),
    }
    return {
        "openapi": "3.0.2",
        "info": {"title": "Cog", "version": COG_VERSION},
        "paths": _paths(),
        "components": {"schemas": components},
    }


def _property(
    name: str, schema: dict[str, Any], order: int, schemas: dict[str, Any]
) -> dict[str, Any]:
    """One input as Cog describes it; choices become a schema of their own among `schemas`."""
    kinds = schema.get("anyOf", [schema])
    kind = next(each for each in kinds if each.get("type") != "null")
    described: dict[str, Any] = {"x-order": order, "description": schema["description"]}
    if "enum" in kind:
        schemas[name] = _enumeration(name, kind["enum"])
        described["allOf"] = [_reference(name)]
    else:
        described["title"] = schema["title"]
        described |= {key: kind[key] for key in _KEPT if key in kind}
    if len(kinds) > 1:
        described["nullable"] = True
    if schema.get("default") is not None:
        described["default"] = schema["default"]
    return described


def _paths() -> dict[str, Any]:
    anything = _answer("Successful Response", {})
    invalid = _answer("Validation Error", _reference("HTTPValidationError"))
    prediction = _answer("Successful Response", _reference("PredictionResponse"))
    name = {
        "required": True,
        "schema": {"title": "Prediction ID", "type": "string"},
        "name": "prediction_id",
        "in": "path",
    }
    request = {"content": {"application/json": {"schema": _reference("PredictionRequest")}}}
    predict = {
        "summary": "Predict",
        "description": "Run a single prediction on the model",
        "requestBody": request,
        "responses": {"200": prediction, "422": invalid},
        "x-cog-streaming": True,
    }
    return {
        "/health-check": {"get": {"summary": "Healthcheck", "responses": {"200": anything}}},
        "/predictions": {"post": predict},
        "/predictions/{prediction_id}": {"put": {**predict, "parameters": [name]}},
        "/predictions/{prediction_id}/cancel": {
            "post": {"summary": "Cancel", "parameters": [name], "responses": {"200": anything}}
        },
    }


def _object(title: str, **properties: dict[str, Any]) -> dict[str, Any]:
    return {"title": title, "type": "object", "properties": properties}


def _enumeration(title: str, values: list[str]) -> dict[str, Any]:
    return {"title": title, "description": "An enumeration.", "enum": values, "type": "string"}


def _reference(name: str) -> dict[str, Any]:
    return {"$ref": _REFERENCE + name}


def _answer(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}
