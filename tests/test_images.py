"""Encoded bytes: what goes in comes out, and settings travel inside what is saved."""

import io
import json

import numpy as np
from PIL import Image

from lightning_demo.images import encode_jpeg, encode_png, parameters_text
from lightning_demo.schemas import GenerationRequest

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


def test_jpeg_is_small_and_close():
    data = encode_jpeg(GRADIENT)
    image = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    assert image.shape == GRADIENT.shape
    assert len(data) < GRADIENT.nbytes / 10
    assert np.abs(image.astype(int) - GRADIENT).mean() < 3
