"""Encoded bytes: what goes in comes out, and settings travel inside what is saved."""

import io
import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import ExifTags, Image

from lightning_demo.images import (
    JPEG_QUALITY,
    MAX_TEMPLATE,
    add_settings,
    encode,
    encode_jpeg,
    encode_png,
    parameters_text,
)
from lightning_demo.schemas import GenerationRequest, Style
from lightning_demo.studio.picture_info import read_info, request_fields, template_of

REQUEST = GenerationRequest("a cat, 猫 🐈", "dogs", 4, 1.5, 7, 192, 128)
GRADIENT = np.stack(
    np.broadcast_arrays(
        np.linspace(0, 255, 192)[None, :], np.linspace(0, 255, 128)[:, None], np.float64(128)
    ),
    axis=-1,
).astype(np.uint8)


def test_png_is_lossless_and_carries_the_settings():
    image = Image.open(io.BytesIO(encode_png(GRADIENT, REQUEST, "miniature")))
    assert np.array_equal(np.asarray(image), GRADIENT)
    assert json.loads(image.text["generation"]) == {**REQUEST.as_dict(), "model": "miniature"}
    assert image.text["parameters"] == parameters_text(REQUEST, "miniature")


def test_parameters_are_in_the_form_that_other_tools_read():
    assert parameters_text(REQUEST, "miniature").splitlines() == [
        "a cat, 猫 🐈",
        "Negative prompt: dogs",
        "Steps: 4, Sampler: Euler, Schedule type: SGM Uniform, CFG scale: 1.5, Seed: 7, "
        "Size: 192x128, Model: miniature",
    ]


STYLED = replace(
    REQUEST,
    style=Style("By Night", "{prompt} at night", "day"),
    variation_seed=9,
    variation_strength=0.25,
    morph_prompt='a "dog", asleep',
    morph_strength=0.5,
)


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
def test_a_style_is_stored_by_name_with_what_was_typed_and_what_was_read(format: str):
    data = encode(GRADIENT, STYLED, "miniature", format, 90)
    info = read_info(data, "image")
    assert info.parameters.splitlines()[:2] == [
        "a cat, 猫 🐈 at night",
        "Negative prompt: dogs, day",
    ]
    assert request_fields(info) == STYLED.as_dict()
    said = json.loads(info.items["generation"])
    assert said["painted_prompt"] == "a cat, 猫 🐈 at night" and said["model"] == "miniature"


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
def test_what_no_text_can_hold_comes_back_from_our_own_settings(format: str):
    """Prompts that look like settings, and digits that the text form rounds."""
    odd = "a & <b>\u2028Negative prompt: x\u2028Steps: 9, Sampler: y, Seed: 1"
    request = replace(REQUEST, prompt=odd, guidance_scale=1.2345678, negative_prompt="]]> \ud7ff")
    info = read_info(encode(GRADIENT, request, "miniature", format, 90), "image")
    assert request_fields(info) == request.as_dict()


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
def test_a_template_is_kept_beside_the_prompt_that_was_made_of_it(format: str):
    def told(template: str) -> str:
        data = encode(GRADIENT, STYLED, "miniature", format, 90, template=template)
        info = read_info(data, "image")
        assert request_fields(info) == STYLED.as_dict()
        return template_of(info)

    template = "a {cat, <dog> & bird}, __animal__ 🐈"
    assert told(template) == template
    assert told("") == told(STYLED.prompt) == told("x" * (MAX_TEMPLATE + 1)) == ""
    # The settings come first where both have no room in XMP.
    long = "é" * 4_000
    assert told(long) == (long if format == "png" else "")


def test_jpeg_is_small_and_close():
    data = encode_jpeg(GRADIENT)
    image = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    assert image.shape == GRADIENT.shape
    assert len(data) < GRADIENT.nbytes / 10
    assert np.abs(image.astype(int) - GRADIENT).mean() < 3


def test_a_frame_becomes_a_file_without_being_encoded_again():
    added = add_settings(encode_jpeg(GRADIENT), GRADIENT, REQUEST, "miniature")
    assert added == encode(GRADIENT, REQUEST, "miniature", "jpeg", JPEG_QUALITY)


def xmp_of(data: bytes) -> ElementTree.Element:
    """The one description in a picture's XMP."""
    (found,) = re.findall(
        rb"<x:xmpmeta.*?</x:xmpmeta>", Image.open(io.BytesIO(data)).info["xmp"], re.S
    )
    return ElementTree.fromstring(found)[0][0]  # noqa: S314


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
@pytest.mark.parametrize("prompt", ["a cat & <b>, 猫 🐈\ufffe", "🐈" * 100_000])
def test_every_file_says_that_a_model_has_made_it(format: str, prompt: str):
    request = replace(REQUEST, prompt=prompt)
    said = xmp_of(encode(GRADIENT, request, "a & b", format, 90))
    iptc = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}"
    source = said.findtext(f"{iptc}DigitalSourceType")
    assert source == "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
    assert said.findtext(f"{iptc}AISystemUsed") == "a & b"
    text = said.findtext(f"{iptc}AIPromptInformation")
    assert text is not None
    if len(prompt) < 100:
        assert text == parameters_text(request, "a & b").replace("\ufffe", "")
    else:
        kept, settings = text.rsplit("\n", 1)
        assert prompt.startswith(kept) and len(kept) > 9_000
        assert settings == parameters_text(request, "a & b").splitlines()[-1]


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="there is no exiftool")
@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
def test_exiftool_reads_it(format: str, tmp_path: Path):
    file = tmp_path / f"picture.{format}"
    file.write_bytes(encode(GRADIENT, REQUEST, "miniature", format, 90))
    command = ["exiftool", "-json", "-G", str(file)]
    done = subprocess.run(command, capture_output=True, check=True)  # noqa: S603
    (said,) = json.loads(done.stdout)
    assert said["XMP:DigitalSourceType"].endswith("/trainedAlgorithmicMedia")
    assert "Error" not in json.dumps(said) and "Warning" not in json.dumps(said)
    text = said["PNG:Parameters"] if format == "png" else said["EXIF:UserComment"]
    assert text.splitlines() == parameters_text(REQUEST, "miniature").splitlines()


LONGEST = [(letter, fields) for letter in "a猫🐈&" for fields in ("style", "morph", "both")]


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
@pytest.mark.parametrize(("letter", "fields"), LONGEST)
def test_texts_of_all_fields_may_be_as_long_as_any(format: str, letter: str, fields: str):
    """Those of a style and a morph are in the line of settings, which gives way to the prompts."""
    text = letter * 100_000
    request = replace(REQUEST, prompt=text, negative_prompt=text)
    if fields != "morph":
        request = replace(request, style=Style("Night", "{prompt}, at night", ""))
    if fields != "style":
        request = replace(request, morph_prompt=text, morph_strength=0.5)
    data = encode(GRADIENT, request, "miniature", format, 90)
    said = xmp_of(data).findtext("{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}AIPromptInformation")
    settings = parameters_text(request, "miniature", others=False).splitlines()[-1]
    assert said is not None
    assert said.startswith(text[:9_000]) and said.endswith(f"\n{settings}")
    if format == "jpeg":
        added = add_settings(encode_jpeg(GRADIENT), GRADIENT, request, "miniature")
        assert added == encode(GRADIENT, request, "miniature", "jpeg", JPEG_QUALITY)


@pytest.mark.parametrize("format", ["jpeg", "webp"])
@pytest.mark.parametrize("letters", [1, 2])
def test_of_a_prompt_that_no_jpeg_can_hold_the_end_is_left_out(format: str, letters: int):
    prompt = "a" * letters + "🐈" * 50_000  # of two 16-bit units each
    data = encode(GRADIENT, replace(REQUEST, prompt=prompt), "miniature", format, 90)
    exif = Image.open(io.BytesIO(data)).getexif().get_ifd(ExifTags.IFD.Exif)
    text = exif[ExifTags.Base.UserComment].removeprefix(b"UNICODE\0").decode("utf-16-be")
    kept, settings = text.rsplit("\n", 1)
    assert prompt.startswith(kept) and len(kept) > 16_000
    assert settings == parameters_text(REQUEST, "miniature").splitlines()[-1]
