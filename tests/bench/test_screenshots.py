"""A picture of the page, taken by the command; all of them take minutes."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from lightning_demo.bench import chromium, screenshots
from lightning_demo.cli import main


@pytest.mark.browser
@pytest.mark.usefixtures("forked_servers")
def test_a_view_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if chromium.find() is None:
        pytest.skip("no browser")
    monkeypatch.setattr(screenshots, "SIZES", {390: 844})
    monkeypatch.setattr(screenshots, "SCHEMES", ("dark",))
    assert main(["screenshots", "--out", str(tmp_path / "new"), "keys"]) == 0
    with Image.open(tmp_path / "new" / "keys-390-dark.png") as picture:
        assert picture.size == (390, 844)
        assert len(picture.convert("RGB").getcolors(2**20) or []) > 100
