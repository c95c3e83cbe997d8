"""The UNet's large linear layers in 8-bit floating point, for GPUs that multiply it (opt-in).

torchao rounds weights to float8 by row, and activations dynamically. Linear layers are 64 % of
SDXL's arithmetic, which bounds the gain to 1.47 times; convolutions and small layers stay exact.
Pictures change, by how much has not been measured, so this is off by default.
"""

from __future__ import annotations

import torch
from diffusers import UNet2DConditionModel

from ...errors import InvalidSetting

MIN_FEATURES = 1280  # below, rounding activations costs more than the multiplication saves
FP8_DTYPE = torch.bfloat16  # of everything else: torchao's rounding by row asks for it
COMPUTE_CAPABILITY = (8, 9)  # Ada; Hopper is 9.0


def check_fp8(device: torch.device, unets_stay: bool) -> None:
    """Checks that float8 works here, before anything is loaded.

    Args:
        unets_stay: whether the device holds the UNets of all step counts.

    Raises:
        InvalidSetting: saying what is missing.
    """
    # AMD's GPUs report as "cuda", and capabilities of their own.
    nvidia = device.type == "cuda" and torch.version.hip is None
    if not nvidia or torch.cuda.get_device_capability(device) < COMPUTE_CAPABILITY:
        raise InvalidSetting(
            "fp8: needs a CUDA GPU of compute capability 8.9 or more (Ada, Hopper)."
        )
    if not unets_stay:
        raise InvalidSetting(
            "fp8: needs room for the UNets of all step counts on the GPU (24 GB free): rounded "
            "weights cannot be overwritten in place."
        )
    try:
        import torchao  # noqa: F401
    except ImportError:
        raise InvalidSetting("fp8: needs torchao: pip install torchao") from None


def is_large_linear(module: torch.nn.Module, name: str) -> bool:
    """Whether a layer is worth rounding.

    The prompt's keys and values are computed once, not at each step: they stay exact. So do the
    embeddings of time and size: one row each, and everything depends on them.
    """
    return (
        isinstance(module, torch.nn.Linear)
        and module.in_features >= MIN_FEATURES
        and not name.endswith(("attn2.to_k", "attn2.to_v"))
        and not name.startswith(("time_embedding.", "add_embedding."))
        and "time_emb_proj" not in name
    )


def to_fp8(unet: UNet2DConditionModel, config: object | None = None) -> None:
    """Rounds the large linear layers of a UNet in place.

    Args:
        config: torchao's configuration; default: dynamic activations, weights by row.
    """
    from torchao.quantization import (
        Float8DynamicActivationFloat8WeightConfig,
        PerRow,
        quantize_,
    )

    if config is None:
        config = Float8DynamicActivationFloat8WeightConfig(granularity=PerRow())
    quantize_(unet, config, filter_fn=is_large_linear)
