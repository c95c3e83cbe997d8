"""The shapes of our own API's answers, as JSON Schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from ...schemas import EngineState

TEXT = {"type": "string"}
WHOLE = {"type": "integer"}
WORDS = {"type": "array", "items": TEXT}


def _object(required: Mapping[str, Any], **others: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {**required, **others},
        "required": list(required),
        "additionalProperties": False,
    }


BYTES = {"schema": {"type": "string", "contentMediaType": "image/*"}}
PICTURE = _object(
    {"seed": WHOLE, "width": WHOLE, "height": WHOLE, "media_type": TEXT},
    url={"type": "string", "format": "uri"},
    b64_json={"type": "string", "contentEncoding": "base64"},
)
PICTURES = _object(
    {
        "created": WHOLE,
        "model": TEXT,
        "prompt": TEXT,
        "num_inference_steps": WHOLE,
        "guidance_scale": {"type": "number"},
        "pictures": {"type": "array", "items": PICTURE},
        "warnings": WORDS,
        "timings": _object({"total_ms": {"type": "number"}}),
    }
)
SIZES = {
    "type": "array",
    "items": {"type": "array", "items": WHOLE, "minItems": 2, "maxItems": 2},
}
STATE = {"enum": list(get_args(EngineState))}
LIMITS = _object(
    {
        "num_inference_steps": {"type": "array", "items": WHOLE},
        "default_steps": WHOLE,
        "sizes": SIZES,
        "min_side": WHOLE,
        "max_side": WHOLE,
    }
)
STYLE = _object({"name": TEXT, "prompt": TEXT, "negative_prompt": TEXT})
MODEL = _object(
    {
        "styles": {"type": "array", "items": STYLE},
        "id": TEXT,
        "object": {"const": "model"},
        "created": WHOLE,
        "owned_by": TEXT,
        "title": TEXT,
        "state": STATE,
        "num_inference_steps": {"type": "array", "items": WHOLE},
        "default_num_inference_steps": WHOLE,
        "sizes": SIZES,
        "min_side": WHOLE,
        "max_side": WHOLE,
    }
)
MODELS = _object({"object": {"const": "list"}, "data": {"type": "array", "items": MODEL}})
USAGE = _object(
    {
        "pictures": WHOLE,
        "days": {
            "type": "array",
            "items": _object({"day": TEXT, "pictures": WHOLE, "steps": WHOLE}),
        },
        "would_have_cost": {
            "type": "array",
            "items": _object(
                {
                    "service": TEXT,
                    "usd_per_picture": {"type": "number"},
                    "as_of": TEXT,
                    "usd": {"type": "number"},
                }
            ),
        },
    }
)
# All but the type is for those who are logged in, where the page has a login.
STATUS = _object(
    {"type": {"const": "status"}},
    state=STATE,
    model=TEXT,
    title=TEXT,
    limits=LIMITS,
    device=TEXT,
    detail=TEXT,
    progress={"type": ["number", "null"]},
    waiting=WHOLE,
    loading_model=TEXT,
    loading_title=TEXT,
    submit_on_enter={"type": "boolean"},
    tier=TEXT,
    engines=WHOLE,
    engines_ready=WHOLE,
    draining={"type": "boolean"},
)
PROBLEM = _object(
    {
        "type": TEXT,
        "title": TEXT,
        "status": WHOLE,
        "detail": TEXT,
        "field": {"type": ["string", "null"]},
    }
)
