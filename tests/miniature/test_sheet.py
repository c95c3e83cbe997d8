"""Contact sheets: large ones fit on a page and show single pixels smoothly."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from lightning_demo.miniature import sheet as module
from lightning_demo.miniature.picture import draw_scene
from lightning_demo.miniature.sheet import (
    captioned_sheet,
    world_sheet,
    write_beside,
    write_large_sheet,
)
from lightning_demo.miniature.world import sample_held_out


def test_captions_stand_below_their_pictures():
    pictures = [Image.new("RGB", (40, 30), "red")] * 3
    sheet = captioned_sheet(pictures, ["a"] * 3, columns=2)
    assert sheet.size == (2 * 46 + 6, 2 * (30 + 46 + 6) + 6)
    assert sheet.getpixel((6, 6)) == (255, 0, 0)
    below = sheet.crop((6, 36, 46, 82))
    assert below.getextrema() != ((255, 255),) * 3, "a caption is drawn"


def test_the_sheet_of_the_world_has_room_for_all():
    one, rows = world_sheet(1), world_sheet(11)
    assert rows.width > 10 * 256 > one.width
    assert rows.height > 2 * 256 > one.height > 256


def test_the_large_sheet_shows_form_and_stays_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    drawn = []

    def draw(folder: Path, prompts: list[str], steps: int, **how: object) -> list[Image.Image]:
        drawn.append((prompts, steps, how["seed"]))
        return [draw_scene(sample_held_out(seed), 256, 256) for seed in range(len(prompts))]

    monkeypatch.setattr(module, "draw_prompts", draw)
    large, small = write_large_sheet(tmp_path, tmp_path / "sheet.jpg", 4, seed=3)
    ((prompts, steps, seed),) = drawn
    assert (len(set(prompts)), steps, seed) == (48, 4, 3)
    assert (large.name, small.name) == ("sheet.jpg", "sheet-12.jpg")
    assert large.stat().st_size < 2_500_000
    with Image.open(large) as image:
        assert image.width == 6 * (384 + 6) + 6
        assert image.height > 8 * 384
    with Image.open(small) as image:
        assert image.width == 4 * (256 + 6) + 6
        assert image.height > 3 * 256


def test_two_releases_stand_one_above_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def draw(folder: Path, prompts: list[str], steps: int, **how: object) -> list[Image.Image]:
        return [Image.new("RGB", (256, 256), folder.name) for _ in prompts]

    monkeypatch.setattr(module, "draw_prompts", draw)
    path = write_beside(Path("red"), Path("blue"), tmp_path / "before-after.jpg")
    with Image.open(path) as image:
        assert image.width == 6 * (256 + 6) + 6
        above, below = image.getpixel((100, 100)), image.getpixel((100, image.height - 100))
    assert above[0] > 200 > 50 > above[2]
    assert below[2] > 200 > 50 > below[0]
