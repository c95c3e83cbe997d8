"""Questions as pydantic models: one for each vendor's body, which is also its documentation.

What a field allows is said in the model only; the sentence for a bad value is made from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import ErrorDetails
from starlette.requests import Request

from ...errors import InvalidRequest
from ..http_json import read_json

MAX_FAULTS = 20  # that are told

Schema = Mapping[str, Any]  # JSON Schema


class Question(BaseModel):
    """A body that may hold more fields than are known here; they are told to have no effect."""

    model_config = ConfigDict(extra="allow")

    @model_validator(mode="before")
    @classmethod
    def _whole(cls, fields: Any) -> Any:
        """JSON does not tell 4.0 from 4."""
        if not isinstance(fields, dict):
            return fields
        return {
            name: int(value) if isinstance(value, float) and value.is_integer() else value
            for name, value in fields.items()
        }

    @property
    def unknown(self) -> Mapping[str, Any]:
        """The fields that have no meaning here."""
        return self.model_extra or {}

    def first(self, *names: str) -> tuple[str, Any]:
        """Of several names for one thing the first that has a value, and that; None: none has."""
        found = ((name, getattr(self, name)) for name in names)
        return next(((name, value) for name, value in found if value is not None), (names[0], None))

    def beside(self, *names: str) -> dict[str, Any]:
        """Those of the names that have a value as well, which nobody looks at."""
        name, _ = self.first(*names)
        return {other: getattr(self, other) for other in names if other != name}


class InvalidFields(InvalidRequest):
    """A body that does not fit its model.

    `faults` has a `loc`, `msg` and `type` for each field at fault, as FastAPI shows them.
    """

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
        faults = _faults(model, error)
        name = ".".join(map(str, faults[0]["loc"])) or "the body"
        raise InvalidFields(f"{name}: {faults[0]['msg']}", field=name, faults=faults) from None


def _faults(model: type[BaseModel], error: ValidationError) -> list[dict[str, Any]]:
    """What is wrong where, the first fault of each field, without the values.

    Those may be secret, and cannot always be shown as JSON.
    """
    whole = _schema(model)
    faults: dict[tuple[str | int, ...], dict[str, Any]] = {}
    details = error.errors(include_url=False, include_context=False, include_input=False)
    for fault in details[:MAX_FAULTS]:
        path, choices = _place(whole, fault["loc"])
        if any(path == other[: len(path)] for other in faults):
            continue  # told, or in more detail: of a union, each member says what it would take
        sentence = _allowed(choices, fault) or fault["msg"]
        faults[path] = {"loc": path, "msg": sentence, "type": fault["type"]}
    return list(faults.values())


@cache
def _schema(model: type[BaseModel]) -> Schema:
    """Made once: it takes longer than all the rest of a refusal."""
    return model.model_json_schema()


def _place(
    whole: Schema, location: Sequence[str | int]
) -> tuple[tuple[str | int, ...], Sequence[Schema]]:
    """The names of the fields on the way to a fault, and what the last of them may be.

    What pydantic calls the members of unions and its own functions is left out: it tells people
    nothing.
    """
    names: list[str | int] = []
    choices = _choices(whole, whole)
    for part in location:
        if isinstance(part, int):
            found = next((each["items"] for each in choices if "items" in each), None)
        else:
            fields = (each.get("properties", {}) for each in choices)
            found = next((each[part] for each in fields if part in each), None)
        if found is not None:
            names.append(part)
            choices = _choices(found, whole)
    return tuple(names), choices


def _allowed(choices: Sequence[Schema], fault: ErrorDetails) -> str:
    """What the field at fault may be, by its schema; empty where that says little."""
    if fault["type"] == "missing":
        return "is required."
    if fault["type"] == "value_error":
        return str(fault["msg"]).removeprefix("Value error, ")
    words = [word for choice in choices if (word := _words(choice))]
    return f"must be {' or '.join(words)}." if words else ""


def _choices(schema: Schema, whole: Schema) -> Sequence[Schema]:
    """The kinds of value that a schema allows, references followed."""
    resolved = _resolved(schema, whole)
    return [_resolved(each, whole) for each in resolved.get("anyOf", [resolved])]


def _resolved(schema: Schema, whole: Schema) -> Schema:
    name = schema.get("$ref", "").rpartition("/")[2]
    found: Schema = whole.get("$defs", {}).get(name, schema)
    return found


def _words(schema: Schema) -> str:
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
