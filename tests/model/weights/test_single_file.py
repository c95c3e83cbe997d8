"""Converting a single-file checkpoint: every tensor of a thin SDXL comes back as it was."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from lightning_demo.bench.random_sdxl import THIN, random_components
from lightning_demo.errors import CheckpointError
from lightning_demo.model.weights import single_file
from lightning_demo.model.weights.sdxl_config import SDXL
from lightning_demo.model.weights.sgm_names import sgm_names
from lightning_demo.model.weights.single_file import convert

FIRST_CONV = "model.diffusion_model.input_blocks.0.0.weight"
Weights = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def thin() -> Any:
    return random_components(THIN)


@pytest.fixture(scope="module")
def configs(thin: Any) -> dict[str, dict[str, Any]]:
    """The configurations of the thin models, as plain as JSON."""
    plain = {
        "unet": dict(thin.unets.get(4).config),
        "vae": dict(thin.vae.config),
        "text_encoder": thin.text_encoders[0].config.to_dict(),
        "text_encoder_2": thin.text_encoders[1].config.to_dict(),
    }
    return json.loads(json.dumps(plain))


@pytest.fixture(scope="module")
def tensors(thin: Any) -> Weights:
    """The thin SDXL in the names of a single file."""
    unet = thin.unets.get(4).state_dict()
    names = sgm_names(unet)
    first, second = (
        {name.removeprefix("text_model."): t for name, t in encoder.state_dict().items()}
        for encoder in thin.text_encoders
    )
    clip = "conditioner.embedders.0.transformer.text_model."
    return {
        **{f"model.diffusion_model.{names[name]}": t for name, t in unet.items()},
        **{f"first_stage_model.{ldm_name(n)}": t for n, t in ldm_shapes(thin.vae).items()},
        **{f"{clip}{name}": tensor for name, tensor in first.items()},
        f"{clip}embeddings.position_ids": torch.arange(77)[None],
        **{f"conditioner.embedders.1.model.{n}": t for n, t in open_clip(second).items()},
        "conditioner.embedders.1.model.logit_scale": torch.tensor(4.6),
        "denoiser.sigmas": torch.linspace(0.03, 14.6, 1000),
    }


def ldm_shapes(vae: AutoencoderKL) -> Weights:
    """The attention of the old autoencoder is made of 1 x 1 convolutions."""
    linear = re.compile(r".*attentions\.0\.to_.*weight")
    return {
        name: tensor[:, :, None, None] if linear.fullmatch(name) else tensor
        for name, tensor in vae.state_dict().items()
    }


def ldm_name(name: str) -> str:
    """The old name of an autoencoder's weight."""
    name = re.sub(r"down_blocks\.(\d)\.resnets", r"down.\1.block", name)
    name = re.sub(r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample", name)
    name = re.sub(r"up_blocks\.(\d)", lambda found: f"up.{3 - int(found[1])}", name)
    name = name.replace(".resnets.", ".block.") if name.startswith("decoder.up") else name
    name = name.replace("upsamplers.0", "upsample").replace("conv_shortcut", "nin_shortcut")
    name = re.sub(r"mid_block\.resnets\.(\d)", lambda f: f"mid.block_{int(f[1]) + 1}", name)
    name = name.replace("mid_block.attentions.0", "mid.attn_1").replace("group_norm", "norm")
    name = re.sub(r"attn_1\.to_([qkv])", r"attn_1.\1", name).replace("to_out.0", "proj_out")
    return name.replace("conv_norm_out", "norm_out")


def open_clip(weights: Weights) -> Weights:
    """The second text encoder in OpenCLIP's names, with q, k and v in one."""
    renamed: Weights = {}
    for name, tensor in weights.items():
        if match := re.fullmatch(r"encoder\.(.*self_attn)\.q_proj\.(.*)", name):
            parts = [weights[name.replace("q_proj", f"{part}_proj")] for part in "qkv"]
            new = f"{match[1]}.in_proj_{match[2]}"
            renamed[open_clip_name(new)] = torch.cat(parts)
        elif not re.search(r"self_attn\.[kv]_proj", name):
            renamed[open_clip_name(name.removeprefix("encoder."))] = tensor
    renamed["text_projection"] = renamed.pop("text_projection.weight").T.contiguous()
    return renamed


def open_clip_name(name: str) -> str:
    for ours, theirs in {
        "layers.": "transformer.resblocks.",
        "self_attn": "attn",
        "layer_norm1": "ln_1",
        "layer_norm2": "ln_2",
        "mlp.fc1": "mlp.c_fc",
        "mlp.fc2": "mlp.c_proj",
        "final_layer_norm": "ln_final",
        "embeddings.token_embedding": "token_embedding",
        "embeddings.position_embedding.weight": "positional_embedding",
    }.items():
        name = name.replace(ours, theirs)
    return name


@pytest.fixture
def file(tensors: Weights, tmp_path: Path) -> Path:
    path = tmp_path / "thin_xl.safetensors"
    save_file(tensors, path)
    return path


def test_every_tensor_comes_back(thin: Any, configs: Any, file: Path, tmp_path: Path):
    folder = convert(file, tmp_path / "cache", configs=configs)
    unet = UNet2DConditionModel.from_pretrained(folder / "unet", variant="fp16")
    vae = AutoencoderKL.from_pretrained(folder / "vae", variant="fp16")
    first = CLIPTextModel.from_pretrained(folder / "text_encoder", variant="fp16")
    second = CLIPTextModelWithProjection.from_pretrained(folder / "text_encoder_2", variant="fp16")
    sources = (thin.unets.get(4), thin.vae, *thin.text_encoders)
    for loaded, source in zip((unet, vae, first, second), sources, strict=True):
        found, wanted = loaded.state_dict(), source.state_dict()
        assert found.keys() == wanted.keys()
        for name, tensor in wanted.items():
            assert torch.equal(found[name].float(), tensor.half().float()), name


def test_it_is_converted_once_and_again_when_the_file_changes(
    configs: Any, file: Path, tensors: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    cache = tmp_path / "cache"
    folder = convert(file, cache, configs=configs)
    assert [path.name for path in cache.iterdir()] == [folder.name]
    written = (folder / "unet/config.json").stat().st_mtime_ns
    assert convert(file, cache, configs=configs) == folder
    assert (folder / "unet/config.json").stat().st_mtime_ns == written
    save_file(tensors | {FIRST_CONV: tensors[FIRST_CONV] + 1}, file)
    os.utime(file, (1, 1))
    changed = convert(file, cache, configs=configs)
    assert changed != folder
    weights = load_file(changed / "unet/diffusion_pytorch_model.fp16.safetensors")
    assert torch.equal(weights["conv_in.weight"], (tensors[FIRST_CONV] + 1).half())


def test_nothing_half_written_is_used(
    configs: Any, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    cache = tmp_path / "cache"

    def full(*args: Any, **options: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(single_file, "save_file", full)
        with pytest.raises(CheckpointError, match=r"thin_xl.*could not be converted.*No space"):
            convert(file, cache, configs=configs)
    assert list(cache.iterdir()) == []
    killed, running = cache / "unfinished-killed", cache / "unfinished-running"
    for folder in (killed, running):
        (folder / "model").mkdir(parents=True)
    os.utime(killed, (1, 1))
    folder = convert(file, cache, configs=configs)
    assert sorted(cache.iterdir()) == sorted([folder, running])


def test_somebody_faster_is_welcome(configs: Any, file: Path, tmp_path: Path):
    cache = tmp_path / "cache"
    folder = convert(file, cache, configs=configs)
    shutil.copytree(folder, cache / "unfinished-ours" / "model")
    # The moment between looking for the folder and making it cannot be met otherwise.
    single_file._rename(cache / "unfinished-ours" / "model", folder)
    assert (folder / "unet/config.json").is_file()


def test_too_little_disk_is_said_before_the_work(
    configs: Any, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    usage = SimpleNamespace(free=2**29)
    monkeypatch.setattr(single_file.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(CheckpointError, match=r"thin_xl.*needs 1\.0 GiB free.*there are 0\.5"):
        convert(file, tmp_path / "cache", configs=configs)


SD1 = "cond_stage_model.transformer.text_model.embeddings.position_embedding.weight"
STRANGERS: dict[str, tuple[dict[str, tuple[int, ...]], str]] = {
    "sd 1": ({FIRST_CONV: (4, 4, 3, 3), SD1: (77, 768)}, "Stable Diffusion 1"),
    "sd 2": (
        {FIRST_CONV: (4, 4, 3, 3), "cond_stage_model.model.ln_final.weight": (8,)},
        "Stable Diffusion 2",
    ),
    "refiner": (
        {FIRST_CONV: (4, 4, 3, 3), "conditioner.embedders.0.model.ln_final.weight": (8,)},
        "refiner",
    ),
    "inpainting": ({FIRST_CONV: (4, 9, 3, 3)}, "inpainting"),
    "flux": ({"double_blocks.0.img_attn.norm.key_norm.scale": (8,)}, "Flux"),
    "lora": ({"lora_unet_mid_block.lora_down.weight": (4, 8)}, "--lora"),
    "v": ({FIRST_CONV: (4, 4, 3, 3), "v_pred": (1,)}, "v-prediction"),
    "diffusers": ({"down_blocks.0.resnets.0.conv1.weight": (4, 4, 3, 3)}, "diffusers"),
    "unet only": ({FIRST_CONV: (4, 4, 3, 3)}, "holds no vae"),
    "nothing": ({"weight": (1,)}, "holds no unet"),
}


@pytest.mark.parametrize("kind", STRANGERS)
def test_another_kind_of_file_is_refused_by_words(kind: str, tmp_path: Path):
    shapes, words = STRANGERS[kind]
    path = tmp_path / "some_model.safetensors"
    save_file({name: torch.zeros(shape) for name, shape in shapes.items()}, path)
    with pytest.raises(CheckpointError, match=r"some_model\.safetensors is .*" + words):
        convert(path, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_a_pickle_is_not_opened(tmp_path: Path):
    path = tmp_path / "model.ckpt"
    path.write_bytes(b"\x80\x04.")
    with pytest.raises(CheckpointError, match=r"model\.ckpt is not a safetensors file"):
        convert(path, tmp_path / "cache")


@pytest.mark.parametrize("damage", ["missing", "shape", "nan", "another size"])
def test_a_damaged_model_is_named_and_leaves_nothing(
    damage: str, configs: Any, tensors: Weights, tmp_path: Path
):
    path = tmp_path / "odd_xl.safetensors"
    label = "model.diffusion_model.label_emb.0.0.weight"
    broken = dict(tensors)
    if damage == "missing":
        del broken[label]
    elif damage == "shape":
        broken[FIRST_CONV] = torch.zeros(3, 4, 3, 3)
    elif damage == "nan":
        broken[FIRST_CONV] = tensors[FIRST_CONV] * float("nan")
    save_file(broken, path)
    words = {"missing": "label_emb", "shape": "conv_in.weight", "nan": "NaN.*conv_in.weight"}
    with pytest.raises(CheckpointError, match=r"odd_xl.*" + words.get(damage, "does not fit")):
        convert(path, tmp_path / "cache", configs=SDXL if damage == "another size" else configs)
    assert list((tmp_path / "cache").iterdir()) == []


def test_the_published_text_encoders_are_those_of_sdxl():
    with torch.device("meta"):
        first = CLIPTextModel(CLIPTextConfig(**SDXL["text_encoder"]))
        second = CLIPTextModelWithProjection(CLIPTextConfig(**SDXL["text_encoder_2"]))
        vae = AutoencoderKL.from_config(SDXL["vae"])
    sizes = [sum(p.numel() for p in model.parameters()) for model in (first, second, vae)]
    assert sizes == [123_060_480, 694_659_840, 83_653_863]
