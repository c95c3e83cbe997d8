"""Cross-attention whose keys and values are computed once for a prompt, not at every step.

The prompt does not change between steps, yet SDXL's UNet projects it again in each of its 70
cross-attention layers. Here all projections of a prompt are side by side in one tensor, which
replaces the prompt's hidden states in the UNet's input; each layer takes its part.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention, AttnProcessor2_0

_LAYERS: WeakKeyDictionary[UNet2DConditionModel, list[Attention]] = WeakKeyDictionary()
JOINED = "cross_attention_projections"  # the buffer of `join_projections`


class ProjectedCrossAttention:
    """Scaled dot-product attention to keys and values that are projected already.

    Plain hidden states, known by their width, are projected as usual, so that the same UNet works
    in `pipe(...)` too.
    """

    def __init__(self, start: int, width: int) -> None:
        self._keys = slice(start, start + width)
        self._values = slice(start + width, start + 2 * width)
        self._usual = AttnProcessor2_0()

    def __call__(
        self,
        attn: Attention,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        temb: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """[B, pixels, channels] attended to the prompt; the layer's own scale and heads."""
        if encoder_hidden_states.shape[-1] == attn.cross_attention_dim:
            return self._usual(attn, hidden_states, encoder_hidden_states, attention_mask, temb)
        batch, _, channels = hidden_states.shape

        def heads(tensor: torch.Tensor) -> torch.Tensor:
            return tensor.view(batch, -1, attn.heads, channels // attn.heads).transpose(1, 2)

        attended = F.scaled_dot_product_attention(
            heads(attn.to_q(hidden_states)),
            heads(encoder_hidden_states[..., self._keys]),
            heads(encoder_hidden_states[..., self._values]),
        )
        attended = attended.transpose(1, 2).reshape(batch, -1, channels)
        return attn.to_out[1](attn.to_out[0](attended))


def cross_attention_layers(unet: UNet2DConditionModel) -> list[Attention]:
    """The layers that attend to the prompt, in module order."""
    if unet not in _LAYERS:  # looking through all modules takes longer than projecting a prompt
        _LAYERS[unet] = [
            module
            for name, module in unet.named_modules()
            if isinstance(module, Attention) and name.endswith("attn2")
        ]
    return _LAYERS[unet]


def expect_projections(unet: UNet2DConditionModel) -> None:
    """Makes every cross-attention layer accept projected prompts as well as plain ones."""
    start = 0
    for layer in cross_attention_layers(unet):
        width = layer.to_k.out_features
        layer.set_processor(ProjectedCrossAttention(start, width))
        start += 2 * width


def leave_out_parts(unet: UNet2DConditionModel) -> None:
    """Takes the parameters away, which then need no memory beside the whole, until `take_parts`."""
    for layer in cross_attention_layers(unet):
        for linear in (layer.to_k, layer.to_v):
            none = linear.weight.data.new_empty(0)
            linear.weight = torch.nn.Parameter(none, requires_grad=False)


def take_parts(unet: UNet2DConditionModel) -> None:
    """Makes the parameters parts of what `join_projections` has laid side by side."""
    linears = [part for layer in cross_attention_layers(unet) for part in (layer.to_k, layer.to_v)]
    rows = getattr(unet, JOINED).split([linear.out_features for linear in linears])
    for linear, weight in zip(linears, rows, strict=True):
        linear.weight = torch.nn.Parameter(weight, requires_grad=False)


def join_projections(unet: UNet2DConditionModel) -> None:
    """Lays the weights of all layers' keys and values side by side in memory.

    `project` is then one matrix product instead of 140. The parameters stay what they are, and may
    be overwritten in place.
    """
    linears = [part for layer in cross_attention_layers(unet) for part in (layer.to_k, layer.to_v)]
    joined = torch.cat([linear.weight.data for linear in linears])
    unet.register_buffer(JOINED, joined, persistent=False)
    take_parts(unet)


@torch.inference_mode()
def project(unet: UNet2DConditionModel, hidden: torch.Tensor) -> torch.Tensor:
    """All layers' keys and values of a prompt: [B, tokens, all widths], for this UNet's weights.

    Args:
        hidden: [B, tokens, features], the output of the text encoders.
    """
    layers = cross_attention_layers(unet)
    joined = getattr(unet, JOINED, None)
    # A copy of a UNet may have weights of its own again.
    if joined is not None and joined.data_ptr() == layers[0].to_k.weight.data_ptr():
        return F.linear(hidden, joined)
    parts = [part for layer in layers for part in (layer.to_k(hidden), layer.to_v(hidden))]
    return torch.cat(parts, dim=-1)
