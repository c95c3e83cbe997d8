"""SDXL-Lightning as LoRAs and on other bases: what is chosen, and that it loads and fits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from lightning_demo.errors import CheckpointError, InvalidRequest, InvalidSetting
from lightning_demo.model.hub.files import find
from lightning_demo.model.hub.repository import Repository
from lightning_demo.model.loading import load_components
from lightning_demo.model.weights.checkpoints import MINIATURE, SDXL_LIGHTNING, sdxl_lightning
from lightning_demo.model.weights.model_spec import BASE_UNET, TOKENIZER_FILES, UNET_CONFIG
from lightning_demo.schemas import GenerationRequest

from ..hub.hub_server import FakeHub, serve_as_the_hub

PLAIN = {
    "text_encoder/model.fp16.safetensors": "text_encoder/model.safetensors",
    "text_encoder_2/model.fp16.safetensors": "text_encoder_2/model.safetensors",
    BASE_UNET: "unet/diffusion_pytorch_model.safetensors",
}


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """A Hub with SDXL-Lightning's LoRAs and decoders; the miniature's, under those names."""
    with serve_as_the_hub(tmp_path / "home", monkeypatch) as fake:
        base, lightning = MINIATURE.base.folder, MINIATURE.lightning.folder
        preview = MINIATURE.preview.folder
        assert base and lightning and preview and SDXL_LIGHTNING.vae
        fake.add(SDXL_LIGHTNING.lightning.name, lightning)
        fake.add(SDXL_LIGHTNING.preview.name, preview)
        half = "diffusion_pytorch_model.fp16.safetensors"
        fake.add(SDXL_LIGHTNING.vae.name, base / "vae", {half: half.replace(".fp16", "")})
        yield fake


def test_the_usual_one_is_the_table_itself():
    assert sdxl_lightning() is SDXL_LIGHTNING
    assert sdxl_lightning("unet") is SDXL_LIGHTNING


def test_the_loras_offer_two_four_and_eight_steps():
    family = sdxl_lightning("lora")
    assert family.base is SDXL_LIGHTNING.base and family.name == "sdxl-lightning"
    assert family.limits.num_inference_steps == (2, 4, 8) and family.limits.default_steps == 4
    for checkpoint in family.checkpoints:
        steps = checkpoint.num_inference_steps
        assert checkpoint.is_lora and checkpoint.prediction_type == "epsilon"
        assert checkpoint.file == f"sdxl_lightning_{steps}step_lora.safetensors"
    with pytest.raises(InvalidRequest, match=r"one of 2, 4, 8 \(there is no 1-step LoRA\)"):
        GenerationRequest.parse({"prompt": "a", "num_inference_steps": 1}, family.limits)


@pytest.mark.parametrize(
    ("base", "repository"),
    [
        ("owner/name", Repository("owner/name")),
        ("owner/name@v1.0", Repository("owner/name", "v1.0")),
        ("owner/na-me_2.x@refs/pr/1", Repository("owner/na-me_2.x", "refs/pr/1")),
    ],
)
@pytest.mark.parametrize("variant", ["auto", "lora"])
def test_another_base_means_the_loras(base: str, repository: Repository, variant: str):
    family = sdxl_lightning(variant, base)
    assert family.base == repository and family.checkpoint(4).is_lora
    assert family.title == f"SDXL-Lightning LoRA on {repository.name.split('/')[1]}"
    assert family.lightning == SDXL_LIGHTNING.lightning and family.vae == SDXL_LIGHTNING.vae


def test_a_folder_is_a_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "owner" / "mine").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert sdxl_lightning("auto", "owner/mine").base.folder == tmp_path / "owner" / "mine"


@pytest.mark.parametrize(
    "base", ["name", "../no-such-base", "owner/", "/nowhere", "a/b/c", "a b/c", "a/b@", "-"]
)
def test_what_is_no_base(base: str):
    with pytest.raises(InvalidSetting, match=r"base \(LIGHTNING_BASE\): .* neither a folder here"):
        sdxl_lightning("auto", base)


def test_a_single_file_is_a_base_with_tokenizers_of_sdxl(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Converted when a file of it is first looked for, not when it is chosen."""
    model = tmp_path / "dream.safetensors"
    model.touch()
    converted: list[Path] = []

    def convert(path: Path) -> Path:
        converted.append(path)
        (tmp_path / "made/unet").mkdir(parents=True, exist_ok=True)
        (tmp_path / "made/unet/config.json").touch()
        return tmp_path / "made"

    monkeypatch.setattr("lightning_demo.model.weights.single_file.convert", convert)
    family = sdxl_lightning("auto", str(model))
    assert converted == [] and family.title == "SDXL-Lightning LoRA on dream"
    assert all(checkpoint.is_lora for checkpoint in family.checkpoints)
    assert find(family.base, UNET_CONFIG) == tmp_path / "made/unet/config.json"
    assert converted[0] == model
    with pytest.raises(CheckpointError, match=r"made/vae/config\.json is missing"):
        find(family.base, "vae/config.json")
    wanted = dict(family.files(4))
    assert wanted[SDXL_LIGHTNING.base] == TOKENIZER_FILES
    assert not set(TOKENIZER_FILES) & set(wanted[family.base])


def test_another_kind_of_file_is_no_base(tmp_path: Path):
    (tmp_path / "model.ckpt").touch()
    with pytest.raises(InvalidSetting, match=r"not a \.safetensors file"):
        sdxl_lightning("auto", str(tmp_path / "model.ckpt"))


def test_whole_unets_would_replace_the_base():
    with pytest.raises(InvalidSetting, match="would replace the base"):
        sdxl_lightning("unet", "owner/name")


def assert_same_weights(unet: Any, other: Any) -> None:
    theirs = other.state_dict()
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in unet.state_dict().items())


def test_a_base_on_the_hub_without_half_precision_loads(
    server: FakeHub, components: Any, caplog: pytest.LogCaptureFixture
):
    """Its weights are the miniature's: with the LoRAs it must become the miniature's UNets."""
    assert MINIATURE.base.folder is not None
    server.add("owner/name", MINIATURE.base.folder, PLAIN)
    reports: list[tuple[float, str]] = []
    with caplog.at_level("INFO"):
        loaded = load_components(
            sdxl_lightning("auto", "owner/name"), "cpu", report=lambda *r: reports.append(r)
        )
    for steps in (4, 8):
        assert_same_weights(loaded.unets.get(steps), components.unets.get(steps))
    assert "owner/name has no unet/diffusion_pytorch_model.fp16.safetensors; taking" in caplog.text
    fractions = [fraction for fraction, _ in reports]
    assert fractions == sorted(fractions) and fractions[-1] < 0.95
    assert any("4step_lora.safetensors: " in sentence for _, sentence in reports)
    assert not server.gets("1step") and not server.gets("2step"), "only what is needed"


def test_a_base_in_a_folder_loads(server: FakeHub, components: Any):
    loaded = load_components(sdxl_lightning("lora", str(MINIATURE.base.folder)), "cpu")
    assert_same_weights(loaded.unets.get(4), components.unets.get(4))
