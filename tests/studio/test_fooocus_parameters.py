"""Fooocus' settings in a picture."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo

from lightning_demo.studio.fooocus_parameters import read_fooocus
from lightning_demo.studio.picture_info import read_info, request_fields

SAID = {
    "prompt": "a boat",
    "negative_prompt": "fog",
    "full_prompt": ["a boat", "masterpiece"],
    "steps": 4,
    "guidance_scale": 1.5,
    "resolution": "(1152, 896)",
    "seed": "18446744073709551615",
    "sampler": "euler",
    "base_model": "sdxl_lightning_4step",
}
FIELDS = {
    "prompt": "a boat",
    "negative_prompt": "fog",
    "num_inference_steps": 4,
    "guidance_scale": 1.5,
    "seed": 18446744073709551615,
    "width": 1152,
    "height": 896,
}


def saved(format: str) -> bytes:
    """A picture as Fooocus saves it."""
    buffer, image, text = io.BytesIO(), Image.new("RGB", (64, 48)), json.dumps(SAID)
    if format == "PNG":
        info = PngInfo()
        info.add_text("parameters", text)
        info.add_text("fooocus_scheme", "fooocus")
        image.save(buffer, format, pnginfo=info)
    else:
        exif = Image.Exif()
        exif[ExifTags.Base.UserComment] = text
        exif[ExifTags.Base.MakerNote] = "fooocus"
        image.save(buffer, format, exif=exif)
    return buffer.getvalue()


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
def test_its_pictures_are_read(format: str) -> None:
    info = read_info(saved(format), "image")
    assert request_fields(info) == FIELDS
    assert info.parameters.splitlines()[0] == "a boat"
    assert "Steps: 4" in info.parameters


@pytest.mark.parametrize(
    "text", ["", "a cat", "{", "[]", "{}", '{"prompt": 7}', "[" * 100_000, '{"a": ' * 100_000]
)
def test_other_texts_are_none_of_its(text: str) -> None:
    assert read_fooocus(text) is None


@pytest.mark.parametrize("wild", [None, True, [], {}, -1, 1e99, "9" * 50, "NaN", "<b>"])
def test_odd_values_are_left_out(wild: Any) -> None:
    names = ("steps", "guidance_scale", "seed", "resolution", "negative_prompt", "sampler")
    found = read_fooocus(json.dumps({"prompt": "a", **dict.fromkeys(names, wild)}))
    assert found is not None
    assert (found.num_inference_steps, found.guidance_scale, found.seed) == (None, None, None)
    assert (found.width, found.height) == (None, None)
