"""Questions as pydantic models: one for each vendor's body, which is also its documentation.

What a field allows is said in the model only; the sentence for a bad value is made from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request

from ...errors import InvalidRequest
from ..http_json import read_json


class Question(BaseModel):
    """A body that may hold more fields than are known here; they are told to have no effect."""

    model_config = ConfigDict(extra="allow")

    @property
    def unknown(self) -> Mapping[str, Any]:
        """The fields that have no meaning here."""
        return self.model_extra or {}


class InvalidFields(InvalidRequest):
    """A body that does not fit its model; `faults` are pydantic's, for vendors that show them."""

    def __init__(
        self, message: str, *, field: str | None = None, faults: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        super().__init__(message, field=field)
        self.faults = faults


Model = TypeVar("Model", bound=BaseModel)


async def read_question(http: Request, model: type[Model], *, strict: bool = False) -> Model:
    """The body of an HTTP request.

    Args:
        strict: whether a number in quotes is no number.

    Raises:
        LightningError: it is no JSON object, does not arrive, or a field is not as it must be.
    """
    return validate(model, await read_json(http), strict=strict)


def validate(model: type[Model], fields: Mapping[str, Any], *, strict: bool = False) -> Model:
    """
    Raises:
        InvalidFields: naming the first field at fault, and what it may be.
    """
    try:
        return model.model_validate(fields, strict=strict)
    except ValidationError as error:
        # Without the values: they may be secret, and cannot always be shown as JSON.
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        path = [str(part) for part in faults[0]["loc"] if not str(part).startswith("function-")]
        name = ".".join(path) or "the body"
        sentence = _allowed(model, faults[0]) or faults[0]["msg"]
        raise InvalidFields(f"{name}: {sentence}", field=name, faults=faults) from None


def _allowed(model: type[BaseModel], fault: Mapping[str, Any]) -> str:
    """What the first field at fault may be, by the model's schema; empty where that says little."""
    if fault["type"] == "missing":
        return "is required."
    if fault["type"] == "value_error":
        return str(fault["msg"]).removeprefix("Value error, ")
    whole = model.model_json_schema()
    schema: Mapping[str, Any] = whole
    for part in fault["loc"]:
        schema = _property(schema, part, whole)
    choices = [_resolved(each, whole) for each in schema.get("anyOf", [schema])]
    words = [word for choice in choices if (word := _words(choice))]
    return f"must be {' or '.join(words)}." if words else ""


def _property(
    schema: Mapping[str, Any], name: object, whole: Mapping[str, Any]
) -> Mapping[str, Any]:
    """The schema of a field, also of one of an object that may be absent."""
    for choice in _resolved(schema, whole).get("anyOf", [schema]):
        found: Mapping[str, Any] = _resolved(choice, whole).get("properties", {}).get(name, {})
        if found:
            return found
    return {}


def _resolved(schema: Mapping[str, Any], whole: Mapping[str, Any]) -> Mapping[str, Any]:
    name = schema.get("$ref", "").rpartition("/")[2]
    found: Mapping[str, Any] = whole.get("$defs", {}).get(name, schema)
    return found


def _words(schema: Mapping[str, Any]) -> str:
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return values[0] if len(values) == 1 else f"one of {', '.join(map(str, values))}"
    kind = schema.get("type")
    if kind in ("integer", "number"):
        name = "a whole number" if kind == "integer" else "a number"
        low = schema.get("minimum", schema.get("exclusiveMinimum"))
        high = schema.get("maximum", schema.get("exclusiveMaximum"))
        if low is not None and high is not None:
            return f"{name} from {low} to {high}"
        return name if low is None else f"{name}, at least {low}"
    if kind == "string":
        if "pattern" in schema and schema.get("examples"):
            return f"text such as {schema['examples'][0]}"
        low, high = schema.get("minLength", 0), schema.get("maxLength")
        return f"text of {low} to {high:,} characters" if high else "text"
    names = {"boolean": "true or false", "array": "a list", "object": "an object"}
    return names.get(str(kind), "")
