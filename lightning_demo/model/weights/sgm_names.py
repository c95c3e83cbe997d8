"""The names that Stability's `sgm` code gives to the UNet's modules, derived from diffusers' names.

Single-file checkpoints and LoRAs trained with kohya's scripts use them. sgm numbers what runs one
after another through the whole UNet (`input_blocks.0` … `middle_block.2` … `output_blocks.8`);
diffusers groups the same modules by resolution. So the number follows from the group, the place in
the group and the group's size. github.com/Stability-AI/generative-models,
sgm/modules/diffusionmodules/openaimodel.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_OUTER = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_BLOCK = re.compile(
    r"(?P<way>down|up)_blocks\.(?P<block>\d+)\."
    r"(?P<kind>resnets|attentions|downsamplers|upsamplers)\.(?P<layer>\d+)\.(?P<rest>.+)"
)
_MID = re.compile(r"mid_block\.(?P<kind>resnets|attentions)\.(?P<layer>\d+)\.(?P<rest>.+)")


def sgm_names(names: Iterable[str]) -> dict[str, str]:
    """diffusers name -> sgm name, of every weight and bias of one whole UNet.

    Args:
        names: the keys of the UNet's state dict; all of them, as they tell the blocks' sizes.

    Raises:
        ValueError: a name is not one of a UNet2DConditionModel.
    """
    names = list(names)
    # One number for every resnet of a block and one for what changes the resolution after them.
    size = len(set(re.findall(r"^down_blocks\.0\.resnets\.\d+", "\n".join(names), re.M))) + 1
    attending = {
        int(n) for n in re.findall(r"^up_blocks\.(\d+)\.attentions", "\n".join(names), re.M)
    }
    return {name: _sgm_name(name, size, attending) for name in names}


def _sgm_name(name: str, size: int, attending: set[int]) -> str:
    module, _, parameter = name.rpartition(".")
    if module in _OUTER:
        return f"{_OUTER[module]}.{parameter}"
    if match := _MID.fullmatch(name):
        place = 1 if match["kind"] == "attentions" else 2 * int(match["layer"])
        return f"middle_block.{place}.{_inner(match['kind'], match['rest'])}"
    match = _BLOCK.fullmatch(name)
    if match is None:
        raise ValueError(f"{name} is not the name of a UNet's weight")
    kind, block, layer = match["kind"], int(match["block"]), int(match["layer"])
    if kind == "downsamplers":
        return f"input_blocks.{(block + 1) * size}.0.{match['rest'].replace('conv', 'op')}"
    if kind == "upsamplers":  # shares its number with the block's last layer, and follows it
        place = 2 if block in attending else 1
        return f"output_blocks.{(block + 1) * size - 1}.{place}.{match['rest']}"
    number = block * size + layer
    blocks = f"input_blocks.{number + 1}" if match["way"] == "down" else f"output_blocks.{number}"
    return f"{blocks}.{int(kind == 'attentions')}.{_inner(kind, match['rest'])}"


def _inner(kind: str, rest: str) -> str:
    """The rest of a name inside a resnet; inside attention both agree."""
    if kind == "attentions":
        return rest
    module, _, parameter = rest.rpartition(".")
    if module not in _RESNET:
        raise ValueError(f"{rest} is not the name of a weight in a resnet")
    return f"{_RESNET[module]}.{parameter}"
