"""LoRA files in every spelling in the wild, against plain arithmetic and diffusers' own loader."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionXLPipeline
from safetensors.torch import load_file, save_file

from lightning_demo.engine.build import loader
from lightning_demo.errors import CheckpointError
from lightning_demo.model.loading import load_components
from lightning_demo.model.sampling.sampler import Sampler
from lightning_demo.model.weights.checkpoints import MINIATURE
from lightning_demo.model.weights.lora_file import LoraDeltas, add_loras, read_lora_file
from lightning_demo.model.weights.lora_setting import Lora
from lightning_demo.model.weights.sgm_names import sgm_names
from lightning_demo.settings import Settings

RANK, ALPHA = 4, 2.0
Tensors = dict[str, torch.Tensor]
Modules = Mapping[str, tuple[torch.Tensor, torch.Tensor]]  # weight -> (down, up)

UNET = (
    "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q.weight",
    "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_out.0.weight",
    "up_blocks.0.attentions.1.transformer_blocks.0.ff.net.0.proj.weight",
    "mid_block.attentions.0.proj_in.weight",
)
CONVOLUTIONS = (
    "down_blocks.1.resnets.0.conv1.weight",
    "down_blocks.0.downsamplers.0.conv.weight",
    "up_blocks.2.resnets.1.conv_shortcut.weight",
)
TEXT = ("encoder.layers.0.self_attn.q_proj.weight", "encoder.layers.2.self_attn.out_proj.weight")
PERCEPTRON = ("encoder.layers.1.mlp.fc1.weight",)


@pytest.fixture(scope="module")
def models(components: Any) -> dict[str, Tensors]:
    """State dicts of the three models; the text encoders' without `text_model.`."""
    base = MINIATURE.base.folder / "unet/diffusion_pytorch_model.fp16.safetensors"
    first, second = components.text_encoders
    return {
        "unet": {name: tensor.float() for name, tensor in load_file(base).items()},
        "text_encoder": first.state_dict(),
        "text_encoder_2": second.state_dict(),
    }


def shapes(models: dict[str, Tensors]) -> dict[Any, dict[str, torch.Size]]:
    return {
        part: {name: tensor.shape for name, tensor in model.items()}
        for part, model in models.items()
    }


def actual(name: str, model: Tensors) -> str:
    """A text encoder's weight as this version of transformers names it."""
    return name if name in model else f"text_model.{name}"


def factors(models: dict[str, Tensors], part: str, names: tuple[str, ...]) -> Modules:
    generator = torch.Generator().manual_seed(len(part))
    made = {}
    for name in names:
        shape = models[part][actual(name, models[part])].shape
        down = torch.randn(RANK, *shape[1:], generator=generator) / 8
        up = torch.randn(shape[0], RANK, *(1,) * len(shape[2:]), generator=generator) / 8
        made[name] = (down, up)
    return made


def kohya(prefix: str, rename: Callable[[str], str], modules: Modules) -> Tensors:
    tensors = {}
    for name, (down, up) in modules.items():
        module = prefix + rename(name).removesuffix(".weight").replace(".", "_")
        tensors[f"{module}.lora_down.weight"] = down
        tensors[f"{module}.lora_up.weight"] = up
        tensors[f"{module}.alpha"] = torch.tensor(ALPHA)
    return tensors


def dotted(
    prefix: str, kinds: tuple[str, str], rename: Callable[[str], str], modules: Modules
) -> Tensors:
    tensors = {}
    for name, pair in modules.items():
        module = prefix + rename(name.removesuffix(".weight"))
        tensors |= {f"{module}{kind}": t for kind, t in zip(kinds, pair, strict=True)}
    return tensors


def same(name: str) -> str:
    return name


def clip(name: str) -> str:
    return f"text_model.{name}"


def processor(name: str) -> str:
    """diffusers kept LoRA in attention processors once."""
    return name.replace(".to_", ".processor.to_").removesuffix(".0")


def old_text(name: str) -> str:
    name = clip(name).replace("out_proj", "to_out")
    return name.replace("q_proj", "to_q")


PEFT = (".lora_A.weight", ".lora_B.weight")
PLAIN = (".lora.down.weight", ".lora.up.weight")
OLD = ("_lora.down.weight", "_lora.up.weight")


def written(format: str, models: dict[str, Tensors]) -> tuple[Tensors, dict[str, Modules], float]:
    """A file's tensors in one of the formats, what they stand for, and the scale alpha / rank."""
    whole = format.startswith("kohya")
    unet = factors(models, "unet", UNET[:2] if format == "old" else UNET + CONVOLUTIONS * whole)
    text = TEXT + PERCEPTRON * (format != "old")
    first = factors(models, "text_encoder", text)
    second = factors(models, "text_encoder_2", (*text, "text_projection.weight") if whole else text)
    parts = {"unet": unet, "text_encoder": first, "text_encoder_2": second}
    if whole:
        sgm = sgm_names(models["unet"]).__getitem__ if format == "kohya sgm" else same
        clip_2 = lambda name: name if name == "text_projection.weight" else clip(name)  # noqa: E731
        tensors = kohya("lora_unet_", sgm, unet) | kohya("lora_te1_", clip, first)
        return tensors | kohya("lora_te2_", clip_2, second), parts, ALPHA / RANK
    kinds = {"peft": PEFT, "diffusers": PLAIN, "old": OLD}[format]
    of_unet, of_text = (processor, old_text) if format == "old" else (same, clip)
    tensors = dotted("unet.", kinds, of_unet, unet)
    text_kinds = (".lora_linear_layer.down.weight", ".lora_linear_layer.up.weight")
    kinds = text_kinds if format == "diffusers" else kinds
    tensors |= dotted("text_encoder.", kinds, of_text, first)
    return tensors | dotted("text_encoder_2.", kinds, of_text, second), parts, 1.0


FORMATS = ("kohya", "kohya sgm", "peft", "diffusers", "old")


def check(
    deltas: LoraDeltas, parts: dict[str, Modules], models: dict[str, Tensors], scale: float
) -> None:
    """Every weight is what plain arithmetic makes of it."""
    for part, modules in parts.items():
        changed = add_loras(models[part], [deltas], part)
        expected = {actual(name, models[part]): pair for name, pair in modules.items()}
        for name, weight in models[part].items():
            wanted = weight.float()
            if name in expected:
                down, up = expected[name]
                wanted = wanted + scale * torch.einsum("or...,ri...->oi...", up, down)
            assert torch.allclose(changed[name].float(), wanted, atol=1e-5), name


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_is_read(format: str, models: dict[str, Tensors], tmp_path: Path):
    tensors, parts, scale = written(format, models)
    path = tmp_path / "ink.safetensors"
    save_file(tensors, path)
    deltas = read_lora_file(Lora(path, 0.7), shapes(models))
    assert len(deltas["unet"]) == len(parts["unet"])
    check(deltas, parts, models, 0.7 * scale)


def test_a_file_of_the_unet_alone_needs_no_prefix(models: dict[str, Tensors], tmp_path: Path):
    unet = factors(models, "unet", UNET)
    path = tmp_path / "ink.safetensors"
    save_file(dotted("", PEFT, same, unet), path)
    deltas = read_lora_file(Lora(path), shapes(models))
    check(deltas, {"unet": unet, "text_encoder": {}}, models, 1.0)
    save_file(dotted("base_model.model.", PEFT, same, unet), path)
    check(read_lora_file(Lora(path), shapes(models)), {"unet": unet}, models, 1.0)


def test_alphas_in_the_metadata_count(models: dict[str, Tensors], tmp_path: Path):
    unet = factors(models, "unet", UNET[:2])
    path = tmp_path / "ink.safetensors"
    settings = {"unet.lora_alpha": 8, "unet.alpha_pattern": {"to_q": 2}}
    metadata = {"lora_adapter_metadata": json.dumps(settings)}
    save_file(dotted("unet.", PEFT, same, unet), path, metadata=metadata)
    deltas = read_lora_file(Lora(path), shapes(models))
    assert {delta.name: delta.scale for delta in deltas["unet"]} == {UNET[0]: 0.5, UNET[1]: 2.0}
    settings["unet.use_rslora"] = True
    metadata = {"lora_adapter_metadata": json.dumps(settings)}
    save_file(dotted("unet.", PEFT, same, unet), path, metadata=metadata)
    deltas = read_lora_file(Lora(path), shapes(models))
    assert {delta.name: delta.scale for delta in deltas["unet"]} == {UNET[0]: 1.0, UNET[1]: 4.0}
    for bad in ("{", "[]", '{"unet.lora_alpha": "many"}'):
        save_file(dotted("unet.", PEFT, same, unet), path, metadata={"lora_adapter_metadata": bad})
        with pytest.raises(CheckpointError, match=r"ink.*unreadable settings"):
            read_lora_file(Lora(path), shapes(models))


@pytest.mark.parametrize("format", ["kohya", "peft"])
def test_diffusers_makes_the_same_models(format: str, models: dict[str, Tensors], tmp_path: Path):
    tensors, _, _ = written(format, models)
    path = tmp_path / "ink.safetensors"
    save_file(tensors, path)
    deltas = read_lora_file(Lora(path, 0.6), shapes(models))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipe = StableDiffusionXLPipeline.from_pretrained(
            MINIATURE.base.folder, variant="fp16", dtype=torch.float32, add_watermarker=False
        )
        pipe.load_lora_weights(dict(tensors))
        pipe.fuse_lora(lora_scale=0.6)
        pipe.unload_lora_weights()
    theirs = {
        "unet": pipe.unet.state_dict(),
        "text_encoder": pipe.text_encoder.state_dict(),
        "text_encoder_2": pipe.text_encoder_2.state_dict(),
    }
    for part, weights in theirs.items():
        ours = add_loras(models[part], [deltas], part)
        assert ours.keys() == weights.keys()
        for name, weight in weights.items():
            assert torch.allclose(ours[name].float(), weight, atol=1e-5), name


TO_Q = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_q"
TE = "lora_te_text_model_encoder_layers_0_mlp_fc1"
FLUX = "transformer.single_transformer_blocks.0.attn.to_k"


def pair(module: str, width: int = 96, kinds: tuple[str, str] = ("_down", "_up")) -> Tensors:
    down, up = kinds
    return {
        f"{module}.lora{down}.weight": torch.ones(RANK, width),
        f"{module}.lora{up}.weight": torch.ones(96, RANK),
    }


BAD_FILES: dict[str, tuple[Tensors, str]] = {
    "empty": ({}, "is empty"),
    "nan": (pair(TO_Q) | {f"{TO_Q}.alpha": torch.tensor(float("nan"))}, "NaN or infinite"),
    "another width": (pair(TO_Q, 320), "made for another model"),
    "sd 1.5": (pair(TO_Q) | pair(TE), "made for another model"),
    "flux": (pair(FLUX, kinds=("_A", "_B")), "made for another model"),
    "half": ({f"{TO_Q}.lora_down.weight": torch.ones(RANK, 96)}, "does not fit"),
    "a checkpoint": ({"conv_in.weight": torch.ones(2, 2)}, "no LoRA at all"),
    "loha": ({f"{TO_Q}.hada_w1_a": torch.ones(2, 2)}, "is a LoHa"),
}


def test_the_good_half_of_the_bad_files_is_good(models: dict[str, Tensors], tmp_path: Path):
    path = tmp_path / "good.safetensors"
    save_file(pair(TO_Q), path)
    assert [delta.name for delta in read_lora_file(Lora(path), shapes(models))["unet"]] == [UNET[0]]


@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_file_that_cannot_be_added_is_named(
    kind: str, models: dict[str, Tensors], tmp_path: Path
):
    tensors, words = BAD_FILES[kind]
    path = tmp_path / "odd.safetensors"
    save_file(tensors, path)
    with pytest.raises(CheckpointError, match=r"odd\.safetensors.*" + words):
        read_lora_file(Lora(path), shapes(models))


@pytest.fixture
def ink(models: dict[str, Tensors], tmp_path: Path) -> Path:
    path = tmp_path / "ink.safetensors"
    tensors, _, _ = written("kohya sgm", models)
    save_file({key: t if "alpha" in key else t / 4 for key, t in tensors.items()}, path)
    return path


def painted(sampler: Sampler, request: Any) -> np.ndarray:
    row = sampler.begin(request)
    while not row.done:
        sampler.step([row])
    return sampler.finish(row)


def with_loras(*loras: Lora) -> Sampler:
    return Sampler(load_components(MINIATURE, "cpu", loras=loras))


def test_a_lora_changes_the_picture_and_at_scale_0_no_bit_of_it(
    ink: Path, ask: Any, sampler: Sampler
):
    request = ask("a red house", num_inference_steps=4)
    plain = painted(sampler, request)
    assert np.array_equal(painted(with_loras(Lora(ink, 0.0)), request), plain)
    changed = painted(with_loras(Lora(ink, 2.0)), request).astype(int)
    assert np.abs(changed - plain).max() > 8
    twice = painted(with_loras(Lora(ink, 1.0), Lora(ink, 1.0)), request)
    assert np.abs(changed - twice).max() <= 1


def test_the_setting_reaches_the_picture(ink: Path, ask: Any, sampler: Sampler):
    request = ask("a red house", num_inference_steps=4)
    settings = Settings(model="miniature", device="cpu", threads=1, lora=str(ink))
    from_setting = painted(loader(MINIATURE, settings)(lambda fraction, words: None), request)
    assert np.array_equal(from_setting, painted(with_loras(Lora(ink)), request))


def test_every_step_count_and_both_encoders_are_styled(ink: Path, components: Any):
    ours = load_components(MINIATURE, "cpu", loras=(Lora(ink),))
    for steps in MINIATURE.limits.num_inference_steps:
        mine, theirs = (c.unets.get(steps).state_dict()[UNET[0]] for c in (ours, components))
        assert not torch.equal(mine, theirs)
    for mine, theirs in zip(ours.text_encoders, components.text_encoders, strict=True):
        name = actual(TEXT[0], theirs.state_dict())
        assert not torch.equal(mine.state_dict()[name], theirs.state_dict()[name])


def test_a_lora_of_sdxl_does_not_fit_the_miniature(models: dict[str, Tensors], tmp_path: Path):
    """What somebody sees who tries a downloaded LoRA without a GPU."""
    path = tmp_path / "ink.safetensors"
    module = "lora_unet_input_blocks_7_1_transformer_blocks_9_attn1_to_q"
    save_file({f"{module}.lora_{k}.weight": torch.ones(4, 4) for k in ("down", "up")}, path)
    with pytest.raises(CheckpointError, match=r"ink\.safetensors.*made for another model"):
        load_components(MINIATURE, "cpu", loras=(Lora(path),))
