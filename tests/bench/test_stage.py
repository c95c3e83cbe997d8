"""`bench stage`, once, in its smallest form; no figure decides."""

from __future__ import annotations

import json

import pytest

from lightning_demo.bench import many, stage, stage_desk, stage_wall
from lightning_demo.cli import main

SMALL = ["--phones", "5", "--painting", "2", "--seconds", "1", "--rounds", "1", "--threads", "1"]


@pytest.mark.usefixtures("forked_servers")
def test_a_talk_alone_and_before_a_hall(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (many, stage, stage_desk, stage_wall):
        monkeypatch.setattr(module, "PATIENCE", 200.0)  # a busy machine loses nothing
    assert main(["bench", "stage", "--num-inference-steps", "2", *SMALL]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (result["phones"], result["painting"]) == (5, 2)
    assert set(result["lost"].values()) == {0}
    for side in (result["alone"], result["with_hall"]):
        assert "problems" not in side
        assert side["waits"] >= 1
        assert side["audience_page_ms"]["p50"] > 0 and side["desk_ms"]["p50"] > 0
        assert 0 <= side["wall_behind_ms"]["p50"] <= side["wall_behind_ms"]["p95"]
    hall = result["hall"]
    assert "problems" not in hall and "problems_of_others" not in hall
    assert (hall["users"], hall["lost_finals"]) == (2, 0)
    assert hall["sent"] >= 2 and hall["refused"] == 0
    ratio = result["with_hall"]["first_paint_ms"]["p50"] / result["alone"]["first_paint_ms"]["p50"]
    assert result["first_paint_ratio_p50"] == pytest.approx(ratio, abs=0.01)


def test_a_talk_on_a_virtual_clock(capsys: pytest.CaptureFixture[str]) -> None:
    small = ["--painting", "3", "--seconds", "5", "--rounds", "1"]
    assert main(["bench", "stage", "--simulate", "h200-512", *small]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["hall"]["users"] == 3
    assert all(result[side]["lost_finals"] == 0 for side in ("alone", "with_hall", "hall"))
