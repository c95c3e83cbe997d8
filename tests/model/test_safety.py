"""The safety checker, on files as diffusers writes them: tiny, and with concepts of our choice."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from safetensors.torch import load_file, save_file
from transformers import CLIPConfig, CLIPImageProcessor

from lightning_demo.errors import CheckpointError, InvalidSetting
from lightning_demo.model.hub.repository import Repository
from lightning_demo.model.safety import SafetyChecker, as_clip_sees, safety_checker
from lightning_demo.model.weights.checkpoints import MINIATURE, SDXL_LIGHTNING

SIDE = 32
TOWER = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}


def picture(seed: int, width: int = 96, height: int = 64) -> Any:
    """Coarse noise, which stays what it is in any size."""
    small = np.random.default_rng(seed).integers(0, 256, (4, 6, 3), np.uint8)
    return np.kron(small, np.ones((height // 4, width // 6, 1), np.uint8))


BAD, GOOD = picture(1), picture(2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checker whose only reachable concept is what it sees in one picture."""
    torch.manual_seed(0)
    config = CLIPConfig(
        text_config={**TOWER, "vocab_size": 8, "max_position_embeddings": 8},
        vision_config={**TOWER, "image_size": SIDE, "patch_size": 8},
        projection_dim=8,
    )
    model = StableDiffusionSafetyChecker(config).eval()
    with torch.no_grad():
        model.visual_projection.weight.normal_()
        bad, good = (
            model.visual_projection(
                model.vision_model(torch.from_numpy(as_clip_sees(each, SIDE)))[1]
            )
            for each in (BAD, GOOD)
        )
        nearness = torch.cosine_similarity(bad, good).item()
        assert nearness < 0.99
        model.concept_embeds.normal_()
        model.concept_embeds[3] = bad[0]
        model.concept_embeds_weights.fill_(2.0)  # nothing is as near
        model.concept_embeds_weights[3] = (1 + nearness) / 2
        model.special_care_embeds.normal_()
        model.special_care_embeds_weights.fill_(2.0)
    path = tmp_path_factory.mktemp("checker")
    model.save_pretrained(path)
    assert {each.name for each in path.iterdir()} >= {"config.json", "model.safetensors"}
    return path


def loaded(path: Path) -> SafetyChecker:
    checker = safety_checker(str(path), SDXL_LIGHTNING)
    assert checker is not None
    checker.load()
    return checker


def test_it_flags_what_comes_too_near_to_a_concept(folder: Path):
    checker = loaded(folder)
    assert checker.flags(BAD) and not checker.flags(GOOD)
    assert checker.flags(BAD), "and what it has looked at stays as it is"
    assert checker.flags(np.kron(BAD, np.ones((3, 3, 1), np.uint8))), "in another size, too"


def test_what_clip_sees_is_what_its_own_processor_makes():
    processor = CLIPImageProcessor(size={"shortest_edge": SIDE}, crop_size=SIDE)
    for pixels in (BAD, picture(3, 64, 96), picture(4, 24, 24), picture(5, 294, 196)):
        theirs = np.asarray(processor(pixels, return_tensors="np")["pixel_values"])
        ours = as_clip_sees(pixels, SIDE)
        assert ours.shape == theirs.shape == (1, 3, SIDE, SIDE)
        assert float(np.abs(ours - theirs).mean()) < 0.05


def test_it_is_needless_with_the_miniature(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING):
        assert safety_checker("CompVis/stable-diffusion-safety-checker", MINIATURE) is None
    assert "needless with the miniature" in caplog.text
    assert safety_checker("", SDXL_LIGHTNING) is None


def test_a_bad_name_is_told(tmp_path: Path):
    with pytest.raises(InvalidSetting, match=r"safety_checker \(LIGHTNING_SAFETY_CHECKER\)"):
        safety_checker("no checker at all", SDXL_LIGHTNING)
    single = tmp_path / "model.safetensors"
    single.write_bytes(b"")
    with pytest.raises(InvalidSetting, match=r"config\.json"):
        safety_checker(str(single), SDXL_LIGHTNING)


def test_a_folder_that_lacks_anything_is_refused(folder: Path, tmp_path: Path):
    def spoilt(name: str) -> Path:
        return Path(shutil.copytree(folder, tmp_path / name))

    def refused(path: Path, words: str) -> None:
        with pytest.raises(CheckpointError, match=words):
            SafetyChecker(Repository(path.name, folder=path)).load()

    gone = spoilt("gone")
    (gone / "model.safetensors").rename(gone / "pytorch_model.bin")
    refused(gone, "model.safetensors")
    page = spoilt("page")
    (page / "model.safetensors").write_text("<html>")
    refused(page, "web page")
    half = spoilt("half")
    weights = load_file(half / "model.safetensors")
    threshold = weights.pop("concept_embeds_weights")
    save_file(weights, half / "model.safetensors", {"format": "pt"})
    refused(half, "concept_embeds_weights")
    broken = spoilt("broken")
    weights["concept_embeds_weights"] = torch.full_like(threshold, float("nan"))
    save_file(weights, broken / "model.safetensors", {"format": "pt"})
    refused(broken, "NaN")
    other = spoilt("other")
    (other / "config.json").write_text("[]")
    refused(other, "no safety checker")
