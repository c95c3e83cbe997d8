"""Fooocus' settings in a picture: JSON in the place of AUTOMATIC1111's text.

Its names are those of Fooocus' `modules/meta_parser.py`; the prompt is the one that was typed,
without what its styles add.
"""

from __future__ import annotations

import json
import re
from typing import Any

from .comfyui_graph import GraphSettings

RESOLUTION = re.compile(r"\(?\s*(\d{1,5})\s*[,x×]\s*(\d{1,5})\s*\)?")


def read_fooocus(text: str) -> GraphSettings | None:
    """What the JSON says; None where the text is none of Fooocus."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict) or not isinstance(said.get("prompt"), str):
        return None
    sides = RESOLUTION.fullmatch(str(said.get("resolution", ""))[:40])
    negative = said.get("negative_prompt")
    return GraphSettings(
        prompt=said["prompt"],
        negative_prompt=negative if isinstance(negative, str) else "",
        num_inference_steps=_whole(said.get("steps")),
        guidance_scale=_number(said.get("guidance_scale")),
        seed=_whole(said.get("seed")),
        width=int(sides[1]) if sides else None,
        height=int(sides[2]) if sides else None,
        sampler=_text(said.get("sampler")),
        scheduler=_text(said.get("scheduler")),
        checkpoint=_text(said.get("base_model")),
    )


def _whole(value: Any) -> int | None:
    """A whole number, also as text: seeds are."""
    return int(value) if re.fullmatch(r"[0-9]{1,20}", str(value)) else None


def _number(value: Any) -> float | None:
    return float(value) if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", str(value)) else None


def _text(value: Any) -> str:
    return value[:200] if isinstance(value, str) else ""
