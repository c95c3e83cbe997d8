"""Words on the contact sheet: letters or nothing, never boxes."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFont

from lightning_demo.web.stage.audience import sheet_fonts
from lightning_demo.web.stage.audience.gallery import CAPTION, Shown, as_sheet
from lightning_demo.web.stage.audience.sheet_fonts import drawable, has

SIZE = 12
UNKNOWN = "\U0010fffd"


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A machine without fonts."""
    monkeypatch.setattr(sheet_fonts, "FOLDERS", (str(tmp_path),))
    sheet_fonts.fonts.cache_clear()
    yield
    sheet_fonts.fonts.cache_clear()


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("a boat", "a boat"),
        ("a 🦊 in the snow ❄️", "a in the snow"),
        ("", ""),
        ("你好", None),
        ("قارب", None),
        ("नमस्ते", None),
        ("a boat 船", None),
    ],
)
@pytest.mark.usefixtures("bare")
def test_letters_that_no_font_has_are_no_boxes(text: str, drawn: str | None) -> None:
    found = drawable(text, SIZE)
    assert (found and found[0]) == drawn


def test_a_font_of_this_machine_is_found_by_what_it_has() -> None:
    dejavu = next((f for f in sheet_fonts.fonts(SIZE)[1:]), None)
    if dejavu is None:
        pytest.skip("this machine has no fonts of these names")
    for text in ("café", "привет", "Ελλάδα", "שלום", "قارب", "你好", "नमस्ते"):
        found = drawable(text, SIZE)
        if found is not None:
            drawn, font = found
            assert drawn == text
            assert all(has(font, letter) for letter in text)


def test_a_font_knows_what_it_lacks() -> None:
    font = ImageFont.load_default(SIZE)
    assert has(font, "a")
    assert not has(font, UNKNOWN) and not has(font, "船")


@pytest.mark.usefixtures("bare")
def test_the_sheet_of_such_words_is_as_if_there_were_none() -> None:
    data = io.BytesIO()
    Image.new("RGB", (64, 64)).save(data, "JPEG")

    def caption(prompt: str, name: str = "") -> np.ndarray:
        sheet = Image.open(
            io.BytesIO(as_sheet([Shown(1, name, "#fff", prompt, 1, 0, data.getvalue())]))
        )
        return np.asarray(sheet.convert("L"))[-CAPTION - 8 :]

    nothing = caption("")
    assert (caption("船 नमस्ते", "小明") == nothing).all()
    assert (caption("a boat") != nothing).any()


def test_words_that_are_too_long_are_cut() -> None:
    data = io.BytesIO()
    Image.new("RGB", (64, 64)).save(data, "JPEG")
    long = Shown(1, "x" * 24, "#fff", "wide " * 60, 1, 5, data.getvalue())
    sheet = np.asarray(Image.open(io.BytesIO(as_sheet([long]))).convert("L"))
    paper = np.asarray(Image.new("RGB", (1, 1), "#f3f1ed").convert("L"))[0, 0]
    assert (abs(sheet[:, -6:].astype(int) - paper) < 12).all(), "the margin is free"
