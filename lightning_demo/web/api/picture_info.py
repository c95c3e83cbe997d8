"""The settings inside a picture: ours, AUTOMATIC1111's text, or the graph that ComfyUI ran.

A picture of a stranger is looked at without decoding it: its header and its texts, within bounds.
"""

from __future__ import annotations

import base64
import io
import json
import re
from dataclasses import asdict, dataclass
from typing import Any

from PIL import ExifTags, Image

from ...errors import InvalidRequest
from ...schemas import GenerationRequest
from .comfyui_graph import GraphSettings, read_graph

MAX_PIXELS = 2**26
MAX_CHARACTERS = 2**20  # of all texts inside

FORMATS = ("PNG", "JPEG", "WEBP")
# Tags in which ComfyUI's nodes for WebP put their two texts, each after its name and a colon.
COMFYUI_TAGS = (ExifTags.Base.ImageDescription, ExifTags.Base.Make, ExifTags.Base.Model)
COMFYUI_TEXTS = ("prompt", "workflow")

# `Steps: 4, Lora hashes: "a: 1, b: 2", Size: 512x512`
_SETTING = re.compile(r'(\w[\w \-/]{0,60}): ("(?:\\.|[^\\"])*"|[^,]*)')


THEIR_NUMBERS = {
    "num_inference_steps": "Steps",
    "seed": "Seed",
    "width": "Size-1",
    "height": "Size-2",
}


@dataclass(frozen=True, slots=True)
class PictureInfo:
    """What a picture says of itself."""

    parameters: str  # as AUTOMATIC1111 writes them; empty where it says nothing
    items: dict[str, str]  # its other texts
    graph: GraphSettings | None = None  # where only that says how it was made


def decode_picture(text: str, field: str) -> bytes:
    """The bytes of a picture that was sent as base64, also as a data URI.

    Raises:
        InvalidRequest: it is none; addresses are not fetched.
    """
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except ValueError:
        raise InvalidRequest(f"{field}: must be a picture as base64.", field=field) from None


def read_info(data: bytes, field: str) -> PictureInfo:
    """The texts inside a PNG, JPEG or WebP; of a ComfyUI graph, what it says in the other form.

    Raises:
        InvalidRequest: it is no such file, or too large.
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            size = image.size
            texts = {str(k): v for k, v in image.info.items() if isinstance(v, str)}
            texts = _comfyui_texts(image) | texts
            comment = _comment(image)
    except Exception:  # Pillow raises whatever its parsers stumble over
        raise InvalidRequest(
            f"{field}: must be a PNG, JPEG or WebP file that is not damaged.", field=field
        ) from None
    if size[0] * size[1] > MAX_PIXELS or sum(map(len, texts.values())) > MAX_CHARACTERS:
        raise InvalidRequest(
            f"{field}: may have {MAX_PIXELS:,} pixels and {MAX_CHARACTERS:,} characters of text.",
            field=field,
        )
    parameters = texts.pop("parameters", comment)
    graph = None if parameters else read_graph(texts.get("prompt", ""))
    return PictureInfo(as_parameters(graph, size) if graph else parameters, texts, graph)


def request_fields(info: PictureInfo) -> dict[str, Any]:
    """The settings by the names of `GenerationRequest`'s fields, as far as they are said.

    They are as the picture has them, and not yet what a model here can be asked for.
    """
    names = GenerationRequest.__dataclass_fields__
    if ours := _object(info.items.get("generation", "")):
        found = ours
    elif info.graph:
        found = asdict(info.graph)
    else:
        found = _their_fields(parse_parameters(info.parameters)) if info.parameters else {}
    return {name: found[name] for name in names if found.get(name) not in (None, "")}


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


def _quoted(value: Any) -> str:
    """A setting as the web UI writes it: in quotes where it could be taken for several."""
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return json.dumps(text, ensure_ascii=False) if re.search(r"[,:\n]", text) else text


def _their_fields(said: dict[str, str]) -> dict[str, Any]:
    """Our fields of what `parse_parameters` has found."""
    found: dict[str, Any] = {
        "prompt": said["Prompt"],
        "negative_prompt": said["Negative prompt"],
    }
    for name, theirs in THEIR_NUMBERS.items():
        if re.fullmatch(r"[0-9]{1,20}", said.get(theirs, "")):
            found[name] = int(said[theirs])
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", guidance := said.get("CFG scale", "")):
        found["guidance_scale"] = float(guidance)
    return found


def parse_parameters(text: str) -> dict[str, str]:
    """The settings by name, as the web UI names them; the size also as Size-1 and Size-2."""
    *lines, last = text.strip().split("\n")
    settings = _SETTING.findall(last)
    if len(settings) < 3:  # a prompt with a colon in it
        lines, settings = [*lines, last], []
    prompt, _, negative = "\n".join(lines).partition("Negative prompt:")
    found = {"Prompt": prompt.strip(), "Negative prompt": negative.strip()}
    found.update((name.strip(), value.strip().strip('"')) for name, value in settings)
    width, times, height = found.get("Size", "").partition("x")
    if times:
        found.update({"Size-1": width, "Size-2": height})
    return found


def _comment(image: Image.Image) -> str:
    """The comment of a JPEG (EXIF 2.32, table 9), where tools put the same text."""
    value: Any = image.getexif().get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.UserComment)
    if not isinstance(value, bytes):
        return ""
    kind, rest = value[:8], value[8:]
    return rest.decode("utf-16-be" if kind == b"UNICODE\0" else "ascii", "replace")


def _comfyui_texts(image: Image.Image) -> dict[str, str]:
    """ComfyUI's texts in a WebP or JPEG by name."""
    exif = image.getexif()
    said = (str(exif.get(tag, "")).partition(":") for tag in COMFYUI_TAGS)
    return {name.lower(): text for name, _, text in said if name.lower() in COMFYUI_TEXTS}


def _object(text: str) -> dict[str, Any] | None:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None
