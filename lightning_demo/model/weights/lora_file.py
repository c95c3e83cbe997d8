"""Reads a LoRA file in the spellings found in the wild, for the three models it may change.

kohya       lora_unet_<sgm or diffusers path, dots as underscores>.lora_down.weight
            lora_te1_text_model_…, lora_te2_text_model_…
PEFT        unet.<path>.lora_A.weight, text_encoder.…, text_encoder_2.…
diffusers   unet.<path>.lora.down.weight, older …attn1.processor.to_q_lora.down.weight
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import torch
from safetensors import safe_open

from ...errors import CheckpointError
from .lora import Delta, add, module_of, read_deltas, scaled
from .lora_setting import Lora
from .sgm_names import sgm_names
from .weight_file import load_weights

Part = Literal["unet", "text_encoder", "text_encoder_2"]
Shapes = Mapping[str, torch.Size]

# Key prefix -> the model that it changes. A key without a prefix is the UNet's.
_PREFIXES: dict[str, Part] = {
    "lora_unet_": "unet",
    "lora_te1_": "text_encoder",
    "lora_te2_": "text_encoder_2",
    "unet.": "unet",
    "text_encoder.": "text_encoder",
    "text_encoder_2.": "text_encoder_2",
}
_PREFIX = re.compile("|".join(map(re.escape, _PREFIXES)))
_OLD_TEXT_NAMES = {"q_proj": "to_q", "k_proj": "to_k", "v_proj": "to_v", "out_proj": "to_out"}

LoraDeltas = Mapping[Part, tuple[Delta, ...]]  # what one LoRA adds to each model, scaled


def read_lora_file(lora: Lora, shapes: Mapping[Part, Shapes]) -> LoraDeltas:
    """Reads a LoRA's file. All of it must fit the models of these shapes.

    Raises:
        CheckpointError: naming the file, when it is missing, damaged, empty, not a plain LoRA,
            made for another model, or holds a NaN.
    """
    weights = load_weights(lora.path)
    if not weights:
        raise CheckpointError(f"{lora.path} is empty: it holds no tensors.")
    keys: dict[Part, dict[str, torch.Tensor]] = {}
    for key, tensor in weights.items():
        keys.setdefault(_part(key), {})[key] = tensor
    metadata = _peft_metadata(lora)
    deltas: dict[Part, tuple[Delta, ...]] = {}
    for part, of_model in shapes.items():
        tensors = keys.get(part, {})
        try:
            tensors |= _peft_alphas(tensors, metadata, part)
        except (TypeError, ValueError, AttributeError, re.error) as error:
            raise _unreadable(lora) from error
        weight_of = _finder(part, of_model)
        deltas[part] = scaled(read_deltas(tensors, of_model, lora.path, weight_of), lora.scale)
    return deltas


def add_loras(
    weights: Mapping[str, torch.Tensor], loras: Sequence[LoraDeltas], part: Part
) -> dict[str, torch.Tensor]:
    """One model's weights with all LoRAs added: summed in float32, and float32 where changed."""
    return add(weights, [delta for lora in loras for delta in lora[part]])


def _part(key: str) -> Part:
    match = _PREFIX.match(key)
    return _PREFIXES[match[0]] if match else "unet"


def _plain(module: str) -> str:
    """A module's name as the aliases spell it: without prefix, dots as underscores."""
    bare = _PREFIX.sub("", module.removeprefix("base_model.model."), count=1)
    return bare.replace(".processor.", ".").replace(".", "_")


def _finder(part: Part, names: Iterable[str]) -> Callable[[str], str | None]:
    """Maps every spelling of every module of a model to its weight's name."""
    aliases: dict[str, str] = {}
    sgm = sgm_names(names) if part == "unet" else {}
    for name in names:
        if not name.endswith(".weight"):
            continue
        spellings = [name, sgm[name]] if part == "unet" else _text_spellings(name)
        for spelling in spellings:
            plain = spelling.removesuffix(".weight").replace(".", "_")
            aliases[plain] = name
            aliases[plain.replace("to_out_0", "to_out")] = name  # as older diffusers did
    return lambda module: aliases.get(_plain(module))


def _text_spellings(name: str) -> Iterable[str]:
    """transformers once put `text_model.` before every name, and no longer does for the first."""
    bare = name.removeprefix("text_model.")
    stem, _, last = bare.removesuffix(".weight").rpartition(".")
    for spelling in (bare, f"{stem}.{_OLD_TEXT_NAMES.get(last, last)}.weight"):
        yield spelling
        yield f"text_model.{spelling}"


def _peft_metadata(lora: Lora) -> Mapping[str, Any]:
    """What PEFT wrote about the file beside its tensors; most files carry nothing."""
    with safe_open(lora.path, framework="pt") as file:
        text = (file.metadata() or {}).get("lora_adapter_metadata", "{}")
    try:
        metadata = json.loads(text)
    except ValueError as error:
        raise _unreadable(lora) from error
    if not isinstance(metadata, dict):
        raise _unreadable(lora)
    return metadata


def _unreadable(lora: Lora) -> CheckpointError:
    return CheckpointError(f"{lora.path} has unreadable settings in its lora_adapter_metadata.")


def _peft_alphas(
    tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, Any], part: Part
) -> dict[str, torch.Tensor]:
    """The alphas that PEFT keeps in the metadata and not among the tensors."""
    usual = metadata.get(f"{part}.lora_alpha")
    patterns: Mapping[str, float] = metadata.get(f"{part}.alpha_pattern") or {}
    alphas: dict[str, torch.Tensor] = {}
    for key, tensor in tensors.items():
        module = module_of(key)
        if usual is None or module is None or not key.endswith(".lora_A.weight"):
            continue
        ending = next((p for p in patterns if re.match(rf"(.*\.)?({p})$", module)), None)
        alpha = float(usual if ending is None else patterns[ending])
        if metadata.get(f"{part}.use_rslora"):  # divides by the root of the rank instead
            alpha *= tensor.shape[0] ** 0.5
        alphas[f"{module}.alpha"] = torch.tensor(alpha)
    return alphas
