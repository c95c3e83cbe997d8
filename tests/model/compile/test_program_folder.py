"""Folders of programs: one for each kind, and none for ever."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from lightning_demo.model.compile import program_folder as module
from lightning_demo.model.compile.program_folder import clean_up, program_folder
from lightning_demo.model.compile.speed import Speed

COMPILED = Speed(compile=True)


def test_programs_of_different_kinds_have_different_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def folder(speed: Speed = COMPILED, name: str = "miniature", device: str = "L4") -> Path:
        return program_folder(tmp_path, name, speed, device)

    same = folder()
    assert same.parent == tmp_path and same == folder(Speed(compile=True, cuda_graphs=True))
    others = {
        folder(name="sdxl-lightning"),
        folder(device="H200"),
        folder(Speed(compile=True, compile_backend="openvino")),
        folder(Speed(compile=True, channels_last=True)),
    }
    monkeypatch.setattr(module, "MODEL_CODE", tmp_path)
    for text in ("version = 1", "version = 2"):
        (tmp_path / "step.py").write_text(text)
        others.add(folder())
    monkeypatch.setattr(module, "_processor_features", lambda: "avx512")
    others.add(folder())
    monkeypatch.setattr(module, "PACKAGES", ("no such package",))
    others.add(folder())
    cpu = folder(device="cpu")
    torch.set_num_threads(torch.get_num_threads() + 1)
    try:
        others |= {cpu, folder(device="cpu")}
    finally:
        torch.set_num_threads(torch.get_num_threads() - 1)
    assert len(others | {same}) == 11


def test_what_nobody_has_used_for_a_month_is_removed(tmp_path: Path):
    for file in ("old/unet-1.pt2", "old/text-1.ov", "used/unet-1.pt2", "used/unet-2.ov"):
        path = tmp_path / file
        path.parent.mkdir(exist_ok=True)
        path.touch()
        os.utime(path, (0, 0))
    (tmp_path / "old" / "complete-128x128").touch()
    (tmp_path / "another's").mkdir()
    for name in ("unfinished-old", "unfinished-new"):
        (tmp_path / "used" / name).mkdir()
        (tmp_path / "used" / name / "unet-3.ov").touch()
    os.utime(tmp_path / "used" / "unfinished-old", (0, 0))
    (tmp_path / "used" / "unet-2.ov").touch()
    clean_up(tmp_path)
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}
    new = {"used/unfinished-new", "used/unfinished-new/unet-3.ov"}
    assert left == {"another's", "used", "used/unet-2.ov"} | new
