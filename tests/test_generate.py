"""`generate`: pictures into files, one JSON line each, and clear refusals before any work."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lightning_demo.cli import main
from lightning_demo.model import device as machine
from lightning_demo.model.weights.checkpoints import MINIATURE

from .model.hub_cache import use_only

HERE = ["--model", "miniature", "--device", "cpu"]


def test_a_prompt_becomes_a_png_and_a_line_of_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file = tmp_path / "deep" / "x.png"
    options = ["--num-inference-steps", "4", "--seed", "7", "--guidance-scale", "0"]
    options += ["--width", "384", "--height", "256", "--out", str(file)]
    assert main(["generate", "a red house", *options, *HERE]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    report = json.loads(line)
    assert {
        **{"prompt": "a red house", "seed": 7, "width": 384, "height": 256},
        **{"num_inference_steps": 4, "guidance_scale": 0, "model": "miniature"},
        **{"file": str(file)},
    }.items() <= report.items()
    assert report["timings"]["total"] > 0
    image = Image.open(file)
    assert (image.format, image.size) == ("PNG", (384, 256))
    assert json.loads(image.text["generation"])["seed"] == 7


def test_the_same_command_makes_the_same_picture(tmp_path: Path):
    pixels = []
    for name in ("one.png", "two.png"):
        assert main(["generate", "a cat", "--seed", "3", "--out", str(tmp_path / name), *HERE]) == 0
        pixels.append(np.asarray(Image.open(tmp_path / name)))
    assert np.array_equal(*pixels)


def test_several_prompts_fill_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    prompts = ["a red house", "../../etc/passwd", "猫"]
    assert main(["generate", *prompts, "--out", str(tmp_path), *HERE]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["prompt"] for line in lines] == prompts
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "001-a-red-house.png",
        "002-etc-passwd.png",
        "003-picture.png",
    ]
    assert len({line["seed"] for line in lines}) == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([""], "prompt: type at least one character"),
        (["a\x00b"], "prompt: contains a control character"),
        (["a", "--num-inference-steps", "3"], "num_inference_steps: must be one of"),
        (["a", "--num-inference-steps", "4.5"], "num_inference_steps: must be one of"),
        (["a", "--seed", "-1"], "seed: must be a whole number from 0"),
        (["a", "--seed", "18446744073709551616"], "seed: must be a whole number from 0"),
        (["a", "--seed", "seven"], "seed: must be a whole number from 0"),
        (["a", "--guidance-scale", "inf"], "guidance_scale: must be a number from 0 to 20"),
        (["a", "--guidance-scale", "nan"], "guidance_scale: must be a number from 0 to 20"),
        (["a", "--width", "1000000"], "width: must be a multiple of 8 from 128 to 512"),
        (["a", "--height", "130"], "height: must be a multiple of 8"),
        (["a", "--out", "picture.gif"], "--out: must end in .png"),
        (["a", "--threads", "many"], "threads (LIGHTNING_THREADS): must be a whole number"),
    ],
)
def test_bad_input_is_refused_before_the_model_is_loaded(
    arguments: list[str],
    words: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
):
    def load(*args: object) -> None:
        raise AssertionError("the model was loaded")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("lightning_demo.generate.build_engine", load)
    assert main(["generate", *arguments, *HERE]) == 2
    output = capsys.readouterr()
    assert output.err.startswith("error: ") and words in output.err
    assert len(output.err.splitlines()) == 1 and output.out == ""
    assert list(tmp_path.iterdir()) == []


def test_the_real_model_without_a_gpu_or_weights_ends_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    use_only(tmp_path, monkeypatch)
    command = ["generate", "a", "--model", "sdxl-lightning", "--device", "cpu"]
    assert main([*command, "--out", str(tmp_path / "x.png")]) == 1
    error = capsys.readouterr().err
    last = error.splitlines()[-1]
    assert "of stabilityai/stable-diffusion-xl-base-1.0 is not on this machine" in last
    assert "Traceback" not in error
    assert not (tmp_path / "x.png").exists()


@pytest.mark.parametrize("damage", ["cut short", "one bit"])
def test_damaged_weights_end_with_a_sentence_and_an_exit_code(
    damage: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    folder = tmp_path / "lightning"
    shutil.copytree(MINIATURE.lightning.folder, folder)
    file = folder / "sdxl_lightning_4step_lora.safetensors"
    content = bytearray(file.read_bytes())
    content[-1000] ^= 0x40
    file.write_bytes(content[:1000] if damage == "cut short" else content)
    hashes = {} if damage == "cut short" else MINIATURE.sha256
    broken = replace(
        MINIATURE, lightning=replace(MINIATURE.lightning, folder=folder), sha256=hashes
    )
    monkeypatch.setitem(machine.MODELS, "miniature", broken)
    assert main(["generate", "a cat", "--out", str(tmp_path / "x.png"), *HERE]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: ") and "Fetch it again." in error
    if damage == "cut short":
        assert f"{file} is damaged or cut short" in error
    else:
        assert f"{file} is not the expected file: its sha256 is " in error
        expected = MINIATURE.sha256[f"{MINIATURE.lightning.name}/{file.name}"]
        assert f"the checkpoint table says {expected[:12]}…" in error
    assert not (tmp_path / "x.png").exists()


def test_the_weights_that_are_asked_for_are_loaded_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A command waits for its download; a page would be told to come back."""
    from lightning_demo.model import loading

    load, asked = loading.load_components, []

    def watched(*arguments: object, **options: object) -> object:
        asked.append(options["num_inference_steps"])
        return load(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(loading, "load_components", watched)
    options = ["--num-inference-steps", "8", "--out", str(tmp_path / "x.png")]
    assert main(["generate", "a red house", *options, *HERE]) == 0
    assert asked == [8]
