"""Code that people have published for diffusers runs with our files, and paints as we do."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image, ImageStat

from lightning_demo.settings import ASSETS

from .. import published
from .hub_cache import use_only

MINIATURE = ASSETS / "miniature"
REVISION = "0" * 40
HUB = {  # whose folders are whose on the Hub
    "stabilityai/stable-diffusion-xl-base-1.0": MINIATURE / "base",
    "ByteDance/SDXL-Lightning": MINIATURE / "lightning",
}


@pytest.fixture
def _hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Hub's cache as if the miniature were SDXL-Lightning, and no network."""
    for name, files in HUB.items():
        folder = tmp_path / "hub" / f"models--{name.replace('/', '--')}"
        for kind in ("refs", "snapshots"):
            (folder / kind).mkdir(parents=True)
        (folder / "refs" / "main").write_text(REVISION)
        (folder / "snapshots" / REVISION).symlink_to(files)
    use_only(tmp_path / "hub", monkeypatch)


@pytest.mark.usefixtures("_hub")
@pytest.mark.filterwarnings("ignore:.*torch_dtype:FutureWarning")
def test_one_picture_by_diffusers_with_a_lora(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    exec(published.corrected(published.LOCAL), {"__name__": "published"})  # noqa: S102
    assert "Generation complete!" in capsys.readouterr().out
    with Image.open("sdxl_lightning_output.png") as picture:
        assert picture.size == (256, 256)
        assert min(ImageStat.Stat(picture).stddev) > 5, "a picture, and no plain colour"
