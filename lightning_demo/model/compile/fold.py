"""Enlarging convolutions with fewer multiplications for the same values, for programs on a CPU.

* Enlarging by nearest neighbours and then convolving with 3x3 meets each source pixel up to four
  times: a transposed convolution of 4x4 with summed weights, stride 2, meets it once (9/4 less
  work).
* All that a small decoder does behind its last block is one convolution (`folded_decoder`).

Values differ by rounding alone. Parameters that are not folded are shared, not copied.
"""

from __future__ import annotations

import copy
from typing import TypeGuard

import torch
from diffusers import AutoencoderTiny
from diffusers.models.upsampling import Upsample2D
from torch import nn

from .folded_decoder import FoldedTiny, parameter

# Of a 3x3 [tap]: what each tap of the transposed convolution sums.
TRANSPOSED = ((0, 0, 1), (0, 1, 1), (1, 1, 0), (1, 0, 0))


def fold(module: nn.Module) -> nn.Module:
    """The module with its enlarging convolutions folded; itself where it has none.

    A small autoencoder whose decoder has no blocks in its last stage becomes a `FoldedTiny`.
    """
    if isinstance(module, FoldedTiny):
        return module
    if isinstance(module, AutoencoderTiny) and (count := _linear_tail(module)):
        layers = list(module.decoder.layers)
        body, tail = nn.Sequential(*layers[:-count]), nn.Sequential(*layers[-count:])
        return FoldedTiny(fold(body), tail)
    if isinstance(module, Upsample2D) and _is_plain(module):
        return FoldedUpsample(module.conv)
    # Not `named_children`, which tells of a layer that stands in two places only once.
    before = {name: child for name, child in module._modules.items() if child is not None}
    children = {name: fold(child) for name, child in before.items()}
    if isinstance(module, nn.Sequential):
        layers = _fold_layers(list(children.values()))
        return module if layers == list(module) else nn.Sequential(*layers)
    if all(children[name] is child for name, child in before.items()):
        return module
    folded = copy.copy(module)  # its parameters are shared
    folded._modules = {**module._modules, **children}
    return folded


class FoldedUpsample(nn.Module):
    """What stands for diffusers' `Upsample2D`, whose arguments it takes."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = _transposed(conv)

    def forward(
        self, hidden_states: torch.Tensor, output_size: tuple[int, int] | None = None
    ) -> torch.Tensor:
        """[B, C, h, w] to [B, C', 2h, 2w], of which `output_size` must be the sides."""
        if output_size is not None:
            raise ValueError("a folded UNet paints sizes that it halves without a rest, no others")
        return self.conv(hidden_states)


def _linear_tail(vae: AutoencoderTiny) -> int:
    """How many of the decoder's last layers enlarge or convolve, and nothing else; 0: none do."""
    layers = list(vae.decoder.layers)
    if len(layers) < 3 or not _is_3x3(layers[-1]) or layers[-1].bias is None:
        return 0
    count = 1
    while len(layers) > count + 2 and _enlarges(layers[-count - 2]):
        convolution = layers[-count - 1]
        if not _is_3x3(convolution) or convolution.bias is not None:
            break
        count += 2
    return count if count > 1 else 0


def _fold_layers(layers: list[nn.Module]) -> list[nn.Module]:
    folded: list[nn.Module] = []
    while layers:
        layer, *layers = layers
        if _enlarges(layer) and layers and _is_3x3(layers[0]):
            layer, *layers = _transposed(layers[0]), *layers[1:]
        folded.append(layer)
    return folded


def _enlarges(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Upsample) and layer.mode == "nearest" and layer.scale_factor == 2


def _is_plain(upsample: Upsample2D) -> bool:
    """Whether it enlarges by nearest neighbours and convolves, and nothing else."""
    other = upsample.use_conv_transpose or upsample.norm is not None or not upsample.interpolate
    return upsample.use_conv and upsample.name == "conv" and not other and _is_3x3(upsample.conv)


def _is_3x3(layer: nn.Module) -> TypeGuard[nn.Conv2d]:
    """Whether it is a convolution that keeps the size."""
    return (
        isinstance(layer, nn.Conv2d)
        and (layer.kernel_size, layer.stride, layer.padding) == ((3, 3), (1, 1), (1, 1))
        and (layer.dilation, layer.groups, layer.padding_mode) == ((1, 1), 1, "zeros")
    )


def _transposed(conv: nn.Conv2d) -> nn.ConvTranspose2d:
    """What a 3x3 of an enlarged picture is of its source."""
    biased = conv.bias is not None
    transposed = nn.ConvTranspose2d(
        conv.in_channels, conv.out_channels, 4, stride=2, padding=1, bias=biased
    )
    shares = torch.tensor(TRANSPOSED, dtype=conv.weight.dtype)
    weight = torch.einsum("oikl,yk,xl->ioyx", conv.weight.detach(), shares, shares)
    transposed.weight = parameter(weight)
    transposed.bias = conv.bias
    return transposed
