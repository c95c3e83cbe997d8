"""Charts: pictures that open, with bars as long as their values."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lightning_demo.bench.chart import Bar, draw
from lightning_demo.bench.shapes import OURS, PEER
from lightning_demo.errors import InvalidSetting

BARS = [Bar("pipe(...)", 1, "200 ms", peer=True), Bar("ours <eager> & plain", 0.5, "2x")]


def lengths(path: Path) -> dict[str, int]:
    """The widest run of each colour, px."""
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"))
    found = {}
    for colour in (OURS, PEER):
        wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        found[colour] = int((pixels == wanted).all(axis=2).sum(axis=1).max())
    return found


def test_a_png_has_bars_as_long_as_their_values(tmp_path: Path):
    draw(tmp_path / "bars.png", "Prompt to JPEG, ms", BARS)
    found = lengths(tmp_path / "bars.png")
    assert found[PEER] > 500
    assert found[OURS] == pytest.approx(found[PEER] / 2, abs=4)


def test_an_svg_says_the_same(tmp_path: Path):
    draw(tmp_path / "bars.svg", "Prompt to JPEG, ms", BARS)
    root = ElementTree.parse(tmp_path / "bars.svg").getroot()  # noqa: S314
    boxes = [e for e in root.iter() if e.tag.endswith("rect")][1:]
    texts = [e.text for e in root.iter() if e.tag.endswith("text")]
    widths = [float(box.get("width", 0)) for box in boxes]
    assert widths[1] == pytest.approx(widths[0] / 2)
    assert texts == [
        "Prompt to JPEG, ms",
        "pipe(...)",
        "200 ms",
        "ours <eager> & plain",
        "2x",
    ]


def test_other_files_are_refused(tmp_path: Path):
    with pytest.raises(InvalidSetting, match="bars.gif must end in"):
        draw(tmp_path / "bars.gif", "", BARS)


def test_nothing_measured_is_an_empty_chart(tmp_path: Path):
    draw(tmp_path / "none.png", "nothing", [])
    with Image.open(tmp_path / "none.png") as image:
        assert image.height > 0
