"""AUTOMATIC1111's text of a picture's settings: read, and written of a ComfyUI graph.

The text of our own pictures is `images.parameters_text`.
"""

from __future__ import annotations

import json
import re
from typing import Any

from .comfyui_graph import GraphSettings

# `Steps: 4, Lora hashes: "a: 1, b: 2", Size: 512x512`
_SETTING = re.compile(r'(\w[\w \-/]{0,60}): ("(?:\\.|[^\\"])*"|[^,]*)')

NUMBERS = {
    "num_inference_steps": "Steps",
    "seed": "Seed",
    "variation_seed": "Variation seed",
    "width": "Size-1",
    "height": "Size-2",
}


FRACTIONS = {
    "guidance_scale": "CFG scale",
    "variation_strength": "Variation seed strength",
    "morph_strength": "Morph strength",
}
# Ours alone; a style's prompts are those that were typed.
TEXTS = {
    "morph_prompt": "Morph prompt",
    "style": "Style",
    "prompt": "Prompt without style",
    "negative_prompt": "Negative prompt without style",
}


def parse_parameters(text: str) -> dict[str, str]:
    """The settings by name, as the web UI names them; the size also as Size-1 and Size-2."""
    *lines, last = text.strip().split("\n")
    settings = _SETTING.findall(last)
    if len(settings) < 3:  # a prompt with a colon in it
        lines, settings = [*lines, last], []
    prompt, _, negative = "\n".join(lines).partition("Negative prompt:")
    found = {"Prompt": prompt.strip(), "Negative prompt": negative.strip()}
    found.update((name.strip(), _text(value.strip())) for name, value in settings)
    width, times, height = found.get("Size", "").partition("x")
    if times:
        found.update({"Size-1": width, "Size-2": height})
    return found


def parameter_fields(said: dict[str, str]) -> dict[str, Any]:
    """Our fields of what `parse_parameters` has found."""
    found: dict[str, Any] = {
        "prompt": said["Prompt"],
        "negative_prompt": said["Negative prompt"],
    }
    for name, theirs in NUMBERS.items():
        if re.fullmatch(r"[0-9]{1,20}", said.get(theirs, "")):
            found[name] = int(said[theirs])
    for name, theirs in FRACTIONS.items():
        if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", number := said.get(theirs, "")):
            found[name] = float(number)
    for name, theirs in TEXTS.items():
        if theirs in said:
            found[name] = said[theirs]
    return found


def as_parameters(graph: GraphSettings, size: tuple[int, int]) -> str:
    """What a ComfyUI graph says, in the form of `parameters_text`.

    Args:
        size: of the picture, px; where the graph does not say it.
    """
    settings = {
        "Steps": graph.num_inference_steps,
        "Sampler": graph.sampler,
        "Schedule type": graph.scheduler,
        "CFG scale": graph.guidance_scale,
        "Seed": graph.seed,
        "Size": f"{graph.width or size[0]}x{graph.height or size[1]}",
        "Model": graph.checkpoint,
    }
    line = ", ".join(
        f"{name}: {_quoted(value)}" for name, value in settings.items() if value not in (None, "")
    )
    negative = f"Negative prompt: {graph.negative_prompt}\n" if graph.negative_prompt else ""
    text = f"{graph.prompt}\n{negative}{line}"
    return text.encode("utf-8", "replace").decode()  # JSON may hold halves of characters


def _text(value: str) -> str:
    """A setting's text, out of the quotes that `_quoted` puts it in."""
    if not value.startswith('"'):
        return value
    try:
        return str(json.loads(value))
    except ValueError:
        return value.strip('"')


def _quoted(value: Any) -> str:
    """A setting as the web UI writes it: in quotes where it could be taken for several."""
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return json.dumps(text, ensure_ascii=False) if re.search(r"[,:\n]", text) else text
