"""`doctor`: all well on this machine, and advice for each thing that is not."""

from __future__ import annotations

import os
import socket
import sqlite3
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from lightning_demo import doctor, private
from lightning_demo.cli import main
from lightning_demo.model import device as machine
from lightning_demo.model.compile.program_folder import versions
from lightning_demo.model.weights.checkpoints import MINIATURE
from lightning_demo.web.api.store import Store

HERE = ["doctor", "--model", "miniature", "--port", "0"]


def advice(output: str) -> str:
    return " ".join(line for line in output.splitlines() if "->" in line)


def test_all_is_well_here(capsys: pytest.CaptureFixture[str]):
    assert main(HERE) == 0
    output = capsys.readouterr().out
    for what in (
        "python",
        "torch",
        "diffusers",
        "gradio",
        "device",
        "memory",
        "profile",
        "weights",
        "port",
    ):
        assert f"ok  {what}" in output
    assert "run `python app.py`" in output


def test_a_taken_port(capsys: pytest.CaptureFixture[str]):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["doctor", "--model", "miniature", "--port", str(port)]) == 1
    assert "--port" in advice(capsys.readouterr().out)


def test_old_and_missing_packages(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    file = tmp_path / "requirements.txt"
    file.write_text("# comment\npillow>=999\nno-such-package>=1\ntorch>=1.0,<1.1\n")
    monkeypatch.setattr(doctor, "REQUIREMENTS", file)
    assert main(HERE) == 1
    said = advice(capsys.readouterr().out)
    for fix in ("pillow>=999", "no-such-package>=1", "torch>=1.0,<1.1"):
        assert f"pip install '{fix}'" in said


def test_packages_that_only_some_have_hinder_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    file = tmp_path / "requirements.txt"
    file.write_text('pillow>=1  # a note; with a semicolon\nnumpy>=999 ; platform_machine != "x"\n')
    (tmp_path / "requirements-ray.txt").write_text("no-such-package==1.*\nhttpx[http2]==9.60.*\n")
    monkeypatch.setattr(doctor, "REQUIREMENTS", file)
    assert main(HERE) == 0
    output = capsys.readouterr().out
    said = advice(output)
    assert "pip install 'numpy>=999'" in said and "pip install 'httpx[http2]==9.60.*'" in said
    assert "no-such-package" not in output and "ok  pillow" in output


def test_programs_of_other_versions_and_those_that_others_may_write(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    root = tmp_path / "compiled"
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(root))
    assert main(HERE) == 0
    assert "compiled" not in capsys.readouterr().out
    for name in (f"miniature-{versions()}-1", "miniature-0123456789abcdef-1", "miniature-1"):
        (root / name).mkdir(parents=True)
        (root / name / "unet.ov").write_bytes(bytes(2**20))
    assert main(HERE) == 0
    output = capsys.readouterr().out
    assert "--  compiled   3 MB of programs" in output
    assert "2 MB of other versions" in output
    if os.name == "posix":
        monkeypatch.setattr(private, "in_container", lambda: False)
        root.chmod(0o777)
        assert main(HERE) == 0
        assert f"chmod -R go-w {root}" in advice(capsys.readouterr().out)


def test_what_the_apis_have_kept(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    asked = [*HERE, "--files-dir", str(tmp_path)]
    assert main(asked) == 0
    assert "kept" not in capsys.readouterr().out
    store = Store(tmp_path, hours=1, megabytes=1)
    store.put_file(b"", "image/webp")
    assert main(asked) == 0  # a server runs
    store.close()
    assert main(asked) == 0
    assert capsys.readouterr().out.count("ok  kept       1 pictures of the APIs") == 2
    database = sqlite3.connect(tmp_path / "store.sqlite")
    for version, code, words in ((0, 0, "brought up to date"), (99, 1, "install that version")):
        database.execute(f"PRAGMA user_version = {version}")
        database.commit()
        assert main(asked) == code
        assert words in advice(capsys.readouterr().out)
    database.close()
    for file in tmp_path.iterdir():
        file.write_bytes(b"no database" * 100)
    assert main(asked) == 1
    assert "move" in advice(capsys.readouterr().out)


def test_without_torch_it_still_says_what_to_do(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "lightning_demo.model.weights.weight_file", None)
    assert main(HERE) == 0
    assert "weights    not looked at" in capsys.readouterr().out


def test_damaged_weights(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    (tmp_path / "sdxl_lightning_4step_lora.safetensors").write_bytes(b"<html>")
    broken = replace(MINIATURE, lightning=replace(MINIATURE.lightning, folder=tmp_path))
    monkeypatch.setitem(machine.MODELS, "miniature", broken)
    assert main(HERE) == 1
    output = capsys.readouterr().out
    assert "4step_lora.safetensors is a web page" in output
    assert "1step_unet_x0.safetensors is missing" in output


def test_the_real_model_needs_a_gpu(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(doctor, "cuda_device_count", lambda: 0)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "none"))
    assert main(["doctor", "--model", "sdxl-lightning", "--port", "0"]) == 1
    output = capsys.readouterr().out
    assert "use --model miniature here" in output
    assert "sdxl_lightning_4step_unet.safetensors" in output
    assert "not here yet, fetched when first needed or by `download`" in output
    assert "profile    cpu, CPU: float32, 1 UNet on the device" in output
    assert f"GB free at {tmp_path}" in output


def test_a_gpu_that_torch_cannot_use(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("lightning_demo.model.device.cuda_device_count", lambda: 1)
    monkeypatch.setattr("lightning_demo.model.device.torch_cuda_version", lambda: None)
    assert main(HERE) == 1
    assert "CUDA build" in advice(capsys.readouterr().out)


def test_styles_are_looked_at(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    good, bad = tmp_path / "ink.safetensors", tmp_path / "oil.safetensors"
    save_file({"weight": torch.zeros(1)}, good)
    bad.write_bytes(b"<html>")
    assert main([*HERE, "--lora", f"{good}:0.5"]) == 0
    assert "ink.safetensors at scale 0.5" in capsys.readouterr().out
    assert main([*HERE, "--lora", f"{good},{bad}"]) == 1
    assert "oil.safetensors is a web page" in advice(capsys.readouterr().out)
    assert main([*HERE, "--lora", "gone.safetensors"]) == 1
    assert "no file gone.safetensors" in advice(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("asked", "profile", "lines"),
    [
        (
            ["--gpu", "NVIDIA GeForce RTX 4090"],
            "24 GB and more: float16, 3 UNets on the device",
            ["3 UNets", "15.4 GB", "other step counts are copied over what was used least"],
        ),
        (["--gpu", "h200"], "4 UNets on the device", ["20.6 GB", "all step counts stay"]),
        (["--memory", "7.5"], "8 GB: float16, 1 UNet", ["come for each new prompt", "tiny"]),
    ],
)
def test_the_memory_of_a_gpu_that_is_not_here(
    asked: list[str], profile: str, lines: list[str], capsys: pytest.CaptureFixture[str]
):
    assert main(["doctor", *asked]) == 0
    output = capsys.readouterr().out
    assert profile in output and all(line in output for line in lines)


def test_a_gpu_with_too_little_memory(capsys: pytest.CaptureFixture[str]):
    assert main(["doctor", "--memory", "4"]) == 1
    assert "The GPU has 4.0 GiB free and SDXL-Lightning takes 7.0" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (["--gpu", "Voodoo 2"], "gpu: 'Voodoo 2' is not known"),
        (["--gpu", ""], "gpu: '' is not known"),
        (["--memory", "0"], "memory: must be a number from 1 to 1024 GiB"),
        (["--memory", "nan"], "memory: must be a number from 1 to 1024 GiB"),
    ],
)
def test_a_gpu_that_nobody_knows(asked: list[str], words: str, capsys: pytest.CaptureFixture[str]):
    assert main(["doctor", *asked]) == 2
    assert words in capsys.readouterr().err
