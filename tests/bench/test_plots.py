"""Plots: pictures that open and say what they should; without matplotlib, how to get it."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from lightning_demo.bench import plots
from lightning_demo.bench.many import plot
from lightning_demo.bench.plots import Bar, draw_bars
from lightning_demo.bench.servers import OURS
from lightning_demo.cli import main
from lightning_demo.errors import InvalidSetting

BARS = [Bar("pipe(...)", 1, "200 ms", peer=True), Bar("ours <eager> & plain", 0.5, "2x")]


@pytest.mark.parametrize("bars", [BARS, []], ids=["two", "nothing measured"])
def test_bars_are_a_picture(tmp_path: Path, bars: list[Bar]):
    draw_bars(tmp_path / "bars.png", "Prompt to JPEG, ms", bars)
    with Image.open(tmp_path / "bars.png") as image:
        assert image.format == "PNG" and image.width > 500


def test_an_svg_keeps_its_words(tmp_path: Path):
    draw_bars(tmp_path / "bars.svg", "Prompt to JPEG, ms", BARS)
    drawn = (tmp_path / "bars.svg").read_text()
    words = ("Prompt to JPEG, ms", "pipe(...)", "200 ms", "ours &lt;eager&gt; &amp; plain", "2x")
    assert all(f">{text}</text>" in drawn for text in words)
    assert plots.OURS in drawn and plots.BAR_PEER in drawn


def test_several_numbers_of_users_are_curves(tmp_path: Path):
    def run(users: int, factor: float) -> dict[str, object]:
        side = {"users": users, "last_key_to_final_ms": {"p95": 100 * users * factor}}
        return {**side, "peers": {"fifo": {**side, "last_key_to_final_ms": {"p95": 9000.0}}}}

    settings = {"num_inference_steps": 4, "machine": "a <fast> one"}
    plot(tmp_path / "many.svg", {**settings, "runs": [run(1, 1), run(4, 2)]})
    drawn = (tmp_path / "many.svg").read_text()
    assert all(f">{text}</text>" in drawn for text in (OURS, "fifo", "1", "4"))


@pytest.mark.parametrize("bench", ["many", "model", "simulate"])
def test_what_cannot_be_drawn_is_refused_before_anything_is_measured(
    bench: str, capsys: pytest.CaptureFixture[str]
):
    assert main(["bench", bench, "--plot", "waiting.gif"]) == 2
    assert "waiting.gif must end in .png or .svg" in capsys.readouterr().err


def test_without_matplotlib_only_the_plot_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(plots, "find_spec", lambda name: None)
    with pytest.raises(InvalidSetting, match="pip install -r requirements-bench.txt"):
        plots.check(Path("bars.svg"))
