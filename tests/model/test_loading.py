"""Loading a family from files: what is built, and the sentence for each thing that is wrong."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file

from lightning_demo.errors import CheckpointError, OutOfMemory
from lightning_demo.model import loading
from lightning_demo.model.device import pick_device
from lightning_demo.model.hub.repository import Repository
from lightning_demo.model.loading import load_components
from lightning_demo.model.memory_plan import ANOTHER_HOST_BYTES, full_size_plan
from lightning_demo.model.sampling.decode import decode
from lightning_demo.model.sampling.sampler import Sampler
from lightning_demo.model.weights.checkpoints import MINIATURE, SDXL_LIGHTNING
from lightning_demo.model.weights.model_spec import ModelSpec
from lightning_demo.model.weights.unet_files import UNetFiles
from lightning_demo.model.weights.unets import UNets

ROOT = MINIATURE.base.folder.parent  # type: ignore[union-attr]


@pytest.fixture
def copy(tmp_path: Path) -> ModelSpec:
    """The shipped miniature in a folder of the test's own, without hashes."""
    folder = tmp_path / "miniature"
    shutil.copytree(ROOT, folder)
    return replace(
        MINIATURE,
        base=replace(MINIATURE.base, folder=folder / "base"),
        lightning=replace(MINIATURE.lightning, folder=folder / "lightning"),
        preview=replace(MINIATURE.preview, folder=folder / "preview"),
        sha256={},
    )


def test_everything_is_ready_to_compute(components: Any):
    assert components.device.type == "cpu" and components.dtype == torch.float32
    for module in (
        *components.text_encoders,
        components.vae,
        components.preview_vae,
        components.unets.get(4),
    ):
        assert not module.training
        assert not any(parameter.requires_grad for parameter in module.parameters())
    encoder_width = sum(e.config.hidden_size for e in components.text_encoders)
    assert components.unets.get(4).config.cross_attention_dim == encoder_width


def test_the_preview_decoder_is_the_cheap_one(components: Any):
    def size(module: torch.nn.Module) -> int:
        return sum(parameter.numel() for parameter in module.parameters())

    assert size(components.preview_vae.decoder) * 2 < size(components.vae.decoder)


def test_progress_is_reported_in_words():
    reports: list[tuple[float, str]] = []
    load_components(MINIATURE, "cpu", report=lambda *report: reports.append(report))
    fractions = [fraction for fraction, _ in reports]
    assert fractions == sorted(fractions) and len(fractions) >= 4
    assert all(sentence[0].isupper() for _, sentence in reports)


def test_each_step_count_has_weights_of_its_own(components: Any):
    unets = [components.unets.get(steps) for steps in MINIATURE.limits.num_inference_steps]
    weights = [unet.conv_in.weight.flatten()[:50].tolist() for unet in unets]
    assert len({tuple(values) for values in weights}) == len(unets)
    assert components.unets.get(4) is components.unets.get(4)


WEIGHTS = [
    "base/text_encoder/model.fp16.safetensors",
    "base/text_encoder_2/model.fp16.safetensors",
    "base/vae/diffusion_pytorch_model.fp16.safetensors",
    "base/unet/diffusion_pytorch_model.fp16.safetensors",
    "preview/diffusion_pytorch_model.safetensors",
    "lightning/sdxl_lightning_4step_lora.safetensors",
]


@pytest.mark.parametrize("damage", ["missing", "cut short", "pickle"])
@pytest.mark.parametrize("file", WEIGHTS)
def test_a_bad_weight_file_is_named(file: str, damage: str, copy: ModelSpec):
    path = copy.base.folder.parent / file  # type: ignore[union-attr]
    if damage == "missing":
        path.unlink()
    elif damage == "cut short":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    else:
        path.write_bytes(b"\x80\x04" + b"." * 100)
    with pytest.raises(CheckpointError) as caught:
        load_components(copy, "cpu")
    assert file in str(caught.value) and damage in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("file", WEIGHTS)
def test_a_nan_in_a_weight_file_is_named(file: str, copy: ModelSpec):
    path = copy.base.folder.parent / file  # type: ignore[union-attr]
    weights = load_file(path)
    name = max(weights, key=lambda name: weights[name].numel())
    weights[name].view(-1)[-1] = float("nan")
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match="NaN or infinite") as caught:
        load_components(copy, "cpu")
    assert file in str(caught.value) and name.split(".")[-2] in str(caught.value)


@pytest.mark.parametrize("file", ["base/tokenizer/vocab.json", "base/unet/config.json"])
def test_a_missing_small_file_is_named(file: str, copy: ModelSpec):
    (copy.base.folder.parent / file).unlink()  # type: ignore[union-attr]
    with pytest.raises(CheckpointError, match="missing") as caught:
        load_components(copy, "cpu")
    assert file in str(caught.value)


def test_the_weights_of_another_step_count_are_found_out(copy: ModelSpec):
    """Renamed on disk, an 8-step file would load and paint badly: its hash tells."""
    folder = copy.lightning.folder
    assert folder is not None
    shutil.copy(
        folder / "sdxl_lightning_8step_lora.safetensors",
        folder / "sdxl_lightning_4step_lora.safetensors",
    )
    hashed = replace(copy, sha256=MINIATURE.sha256)
    with pytest.raises(CheckpointError, match=r"sdxl_lightning_4step_lora.*not the expected file"):
        load_components(hashed, "cpu")


def test_a_whole_unet_in_place_of_a_lora_does_not_fit(copy: ModelSpec):
    folder = copy.lightning.folder
    assert folder is not None and copy.base.folder is not None
    shutil.copy(
        copy.base.folder / "unet/diffusion_pytorch_model.fp16.safetensors",
        folder / "sdxl_lightning_4step_lora.safetensors",
    )
    with pytest.raises(CheckpointError, match=r"4step_lora\.safetensors is not a LoRA"):
        UNets(UNetFiles(copy, torch.device("cpu"), torch.float32), 4, (1, 2, 4, 8)).get(4)


def test_a_device_that_is_not_there():
    with pytest.raises(CheckpointError, match=r"'warp-drive' cannot be used here .*: take cpu"):
        pick_device("warp-drive")
    if not torch.cuda.is_available():
        with pytest.raises(CheckpointError, match="cuda"):
            pick_device("cuda")
        assert pick_device("auto").type == "cpu"


@pytest.mark.parametrize("free", [8, 10, 16, 24])
def test_every_memory_profile_paints_every_step_count(free: int, components: Any, ask: Any):
    """Spread as on a GPU of that many GB, computed here: the same picture, but for its decoder."""
    profile = replace(full_size_plan("cuda", free * 2**30, 4), dtype=torch.float32)
    spread = load_components(MINIATURE, "cpu", memory_plan=profile)
    assert len(spread.unets.resident()) == 1
    assert (spread.vae is spread.preview_vae) == (profile.decoder == "tiny")
    usual, sampler = Sampler(components), Sampler(spread)
    for steps in (4, 8, 1, 4):
        rows = [
            each.begin(ask("a red house", num_inference_steps=steps)) for each in (usual, sampler)
        ]
        for each, row in zip((usual, sampler), rows, strict=True):
            while not row.done:
                each.step([row])
        assert torch.equal(rows[0].latents, rows[1].latents)
        tiny = profile.decoder == "tiny"
        wanted = usual.preview(rows[0]) if tiny else usual.finish(rows[0])
        # A preview is of what is seen in the noise: after the last step the same, but for rounding.
        assert abs(sampler.finish(rows[1]).astype(int) - wanted).max() <= tiny
    assert len(spread.unets.resident()) == (1 if profile.unets == 1 else 3)


def test_a_decoder_in_tiles_gives_nearly_the_same_picture(tmp_path: Path):
    """Of a picture larger than a tile, in SDXL's own class."""
    torch.manual_seed(0)
    vae = AutoencoderKL(
        block_out_channels=(4, 4, 4, 4),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
        norm_num_groups=2,
        sample_size=1024,
    ).eval()
    vae.save_pretrained(tmp_path)
    spec = replace(MINIATURE, vae=Repository("a larger decoder", folder=tmp_path))
    profile = replace(full_size_plan("cuda", 10 * 2**30, 4), dtype=torch.float32)
    latents = torch.randn(1, 4, 96, 96)
    whole = decode(vae, latents)[0].astype(int)
    tiled = load_components(spec, "cpu", memory_plan=profile).vae
    calls: list[torch.Size] = []
    tiled.decoder.register_forward_hook(lambda module, inputs, output: calls.append(output.shape))
    difference = np.abs(decode(tiled, latents)[0] - whole).mean()
    assert len(calls) == 4 and calls[0][-1] == 512
    assert difference < 16


def test_a_gpu_that_cannot_be_used_is_said_before_minutes_on_the_cpu(
    monkeypatch: pytest.MonkeyPatch,
):
    """Whoever names the model wants the GPU; what to do stands in the sentence."""
    monkeypatch.setattr(loading, "cuda_problem", lambda: "update the driver.")
    with pytest.raises(CheckpointError, match="minutes on the CPU: update the driver"):
        load_components(SDXL_LIGHTNING, "auto")


@pytest.mark.skipif(torch.cuda.is_available(), reason="torch can use the GPU that is here")
def test_a_gpu_that_the_driver_has_and_torch_has_not_is_not_replaced_by_the_cpu(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(loading, "has_cuda", lambda: True)
    with pytest.raises(CheckpointError, match="The device 'cuda' cannot be used here"):
        load_components(SDXL_LIGHTNING, "auto")


@pytest.mark.parametrize(
    ("free_gib", "host", "room"), [(60, True, True), (60, False, False), (10, True, False)]
)
def test_a_process_that_compiles_needs_room_on_the_device_and_on_the_host(
    components: Any, monkeypatch: pytest.MonkeyPatch, free_gib: int, host: bool, room: bool
):
    asked: list[int] = []

    def host_has_room(count: int) -> bool:
        asked.append(count)
        return host

    monkeypatch.setattr(loading, "free_memory", lambda device: free_gib * 2**30)
    monkeypatch.setattr(loading, "host_has_room", host_has_room)
    plan = full_size_plan("cuda", 80 * 2**30, 4)
    found = replace(components, spec=SDXL_LIGHTNING, memory_plan=plan).room_for_another
    assert found == room
    assert asked == ([ANOTHER_HOST_BYTES] if free_gib == 60 else [])
    assert components.room_for_another, "the miniature fits anywhere"


def test_memory_that_is_taken_while_the_model_is_loaded_is_told(monkeypatch: pytest.MonkeyPatch):
    """Two demos that start at the same time plan with the same free memory."""

    def full(self: UNetFiles) -> torch.nn.Module:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 26.00 MiB.")

    monkeypatch.setattr(UNetFiles, "blank", full)
    monkeypatch.setattr(loading, "free_memory", lambda device: 2**30)
    with pytest.raises(OutOfMemory) as caught:
        load_components(MINIATURE, "cpu")
    words = str(caught.value)
    assert "Another program took the memory of cpu" in words and "1.0 GiB is free now" in words

    def broken(self: UNetFiles) -> torch.nn.Module:
        raise RuntimeError("something else")

    monkeypatch.setattr(UNetFiles, "blank", broken)
    with pytest.raises(RuntimeError, match="something else"):
        load_components(MINIATURE, "cpu")
