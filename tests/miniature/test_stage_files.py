"""Which weights a stage is taken from, and what is said where there are none."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lightning_demo.miniature import stage_files
from lightning_demo.miniature.architecture import build_components
from lightning_demo.miniature.stage_files import StageFiles, load_stage, save_stage, start_of


def test_what_is_saved_is_loaded(tmp_path: Path):
    line, other = torch.nn.Linear(2, 3), torch.nn.Linear(2, 3)
    assert not load_stage(tmp_path, "line", {"line": other})
    save_stage(tmp_path, "line", {"line": line.state_dict()})
    assert load_stage(tmp_path, "line", {"line": other})
    assert torch.equal(line.weight, other.weight)


def test_finished_weights_come_before_those_to_go_on_from(tmp_path: Path):
    stages = StageFiles(tmp_path)
    assert not stages.has("student-4")
    unet = build_components(49).unet
    for name, value in ((start_of("student-4"), 1.0), ("student-4", 2.0)):
        torch.nn.init.constant_(unet.conv_out.bias, value)
        save_stage(tmp_path, name, {"unet": unet.state_dict()})
        assert stages.has("student-4") and stages.has_start("student-4")
        assert stages.is_finished("student-4") is (value == 2.0)
        assert stages.file("student-4").stem == name
        taken = stages.load_unet("student-4", unet)
        assert taken is not unet and taken.conv_out.bias.tolist() == [value] * 4


def test_a_stage_that_only_has_weights_to_go_on_from_is_not_finished(tmp_path: Path):
    save_stage(tmp_path, start_of("decoder"), {"decoder": torch.nn.Linear(2, 3).state_dict()})
    with pytest.raises(SystemExit, match="'decoder' must be trained first"):
        StageFiles(tmp_path).load("decoder", {"decoder": torch.nn.Linear(2, 3)})
    with pytest.raises(SystemExit, match="'text' must be trained first"):
        StageFiles(tmp_path).file("text")


def test_a_stage_knows_what_it_was_made_from(tmp_path: Path):
    stages, source = StageFiles(tmp_path), torch.nn.Linear(2, 3)
    save_stage(tmp_path, "source", {"line": source.state_dict()})
    save_stage(tmp_path, "made", {}, made_of=stages.digest("source"))
    assert stages.is_made_of("made", "source")
    save_stage(tmp_path, "source", {"line": source.state_dict()}, steps=9)
    assert stages.is_made_of("made", "source"), "the weights are the same"
    (tmp_path / "source.pt").rename(tmp_path / "source-start.pt")
    assert stages.is_made_of("made", "source"), "and are now what the source goes on from"
    save_stage(tmp_path, "source", {"line": torch.nn.Linear(2, 3).state_dict()})
    assert not stages.is_made_of("made", "source")
    save_stage(tmp_path, "made", {})
    assert stages.is_made_of("made", "source"), "it does not say, as those of older runs"


def test_a_crash_while_a_stage_is_written_leaves_no_half_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def crash(_: object, file: Path) -> None:
        file.write_bytes(b"PK half of a")
        raise KeyboardInterrupt

    line = torch.nn.Linear(2, 3)
    with monkeypatch.context() as patch:
        patch.setattr(stage_files.torch, "save", crash)
        with pytest.raises(KeyboardInterrupt):
            save_stage(tmp_path, "line", {"line": line.state_dict()})
        assert not StageFiles(tmp_path).is_finished("line")
    save_stage(tmp_path, "line", {"line": line.state_dict()})
    with monkeypatch.context() as patch:
        patch.setattr(stage_files.torch, "save", crash)
        with pytest.raises(KeyboardInterrupt):
            save_stage(tmp_path, "line", {"line": line.state_dict()})
    assert load_stage(tmp_path, "line", {"line": line}), "the one before"
