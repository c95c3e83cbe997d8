"""Enlarging convolutions with fewer multiplications for the same values, for programs on a CPU.

* Enlarging by nearest neighbours and then convolving with 3x3 meets each source pixel up to four
  times: a transposed convolution of 4x4 with summed weights, stride 2, meets it once (9/4 less
  work).
* Two convolutions with nothing between them are one of 5x5. Of an enlarged picture that is a 3x3
  of the source for each of four pixels: of a decoder's last stage, an eighth of the work. Only at
  the border it is another: there each convolution of its own sees zeros outside its own picture.

Values differ by rounding alone. Parameters that are not folded are shared, not copied.
"""

from __future__ import annotations

import copy
from typing import TypeGuard

import torch
import torch.nn.functional as F
from diffusers import AutoencoderTiny
from diffusers.models.upsampling import Upsample2D
from torch import nn

LEVELS = 255  # of a colour, beside 0
# Of a 3x3 [tap]: what each tap of the transposed convolution sums.
TRANSPOSED = ((0, 0, 1), (0, 1, 1), (1, 1, 0), (1, 0, 0))
# Of a 5x5: what each of the pixels 2i and 2i + 1 takes from the source pixels i - 1, i, i + 1.
BY_PIXEL = (
    ((1, 1, 0, 0, 0), (0, 0, 1, 1, 0), (0, 0, 0, 0, 1)),
    ((1, 0, 0, 0, 0), (0, 1, 1, 0, 0), (0, 0, 0, 1, 1)),
)


def fold(module: nn.Module) -> nn.Module:
    """The module with its enlarging convolutions folded; itself where it has none.

    A small autoencoder that ends in two convolutions becomes a `FoldedTiny`.
    """
    if isinstance(module, FoldedTiny):
        return module
    if isinstance(module, AutoencoderTiny) and (parts := _last_stage(module)):
        return FoldedTiny(*parts)
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


class FoldedTiny(nn.Module):
    """A small autoencoder's decoder that ends in enlarge, convolve, convolve, and paints levels.

    What turns colours into levels of 255 is in the weights, and values are rounded before the four
    pixels of a source part, in whatever layout the convolution leaves them. They part by a
    convolution, too: to reshape, a program would have to compute with shapes, which costs more, and
    which OpenVINO gets wrong after a call that was cancelled.
    """

    def __init__(self, layers: list[nn.Module], first: nn.Conv2d, last: nn.Conv2d) -> None:
        """
        Args:
            layers: those before the last stage.
            first: of two convolutions of the enlarged picture, without a bias.
        """
        super().__init__()
        self.body = fold(nn.Sequential(*layers))
        last = _times(last, LEVELS)
        self.edge = nn.Sequential(nn.Upsample(scale_factor=2), first, last)
        taps = F.conv_transpose2d(last.weight, first.weight.detach())  # what last takes of first's
        shares = torch.tensor(BY_PIXEL, dtype=taps.dtype)
        weight = torch.einsum("oikl,ysk,xtl->yxoist", taps, shares, shares).flatten(0, 2)
        self.head = nn.Conv2d(first.in_channels, len(weight), 3, padding=1)
        self.head.weight = _parameter(weight)
        assert last.bias is not None  # noqa: S101
        self.head.bias = _parameter(last.bias.repeat(4))
        self.parting = nn.ConvTranspose2d(len(weight), last.out_channels, 2, stride=2, bias=False)
        ones = torch.eye(len(weight), dtype=weight.dtype)  # [value, y, x, colour]
        ones = ones.view(len(weight), 2, 2, last.out_channels)
        self.parting.weight = _parameter(ones.permute(0, 3, 1, 2))

    def forward(self, latents: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Pixels of latents, and whether all is finite.

        Args:
            latents: [B, 4, h, w], h and w at least 2.

        Returns:
            uint8 [B, height, width, 3] and bool [].
        """
        x = self.body(torch.tanh(latents / 3) * 3)  # as diffusers' `DecoderTiny` begins
        whole = self.parting(_rounded(self.head(x))).to(torch.uint8).permute(0, 2, 3, 1)
        sides = x[:, :, :2], x[:, :, -2:], x[..., :2], x[..., -2:]
        edges = [self.edge(side).permute(0, 2, 3, 1) for side in sides]
        top, bottom, left, right = (_rounded(edge).to(torch.uint8) for edge in edges)
        middle = torch.cat([left[:, 1:-1, :1], whole[:, 1:-1, 1:-1], right[:, 1:-1, -1:]], dim=2)
        pixels = torch.cat([top[:, :1], middle, bottom[:, -1:]], dim=1)
        # Weights that are not finite show at the edges too.
        sums = torch.stack([latents.sum(), *(edge.sum() for edge in edges)])
        return pixels, torch.isfinite(sums).all()


def _rounded(values: torch.Tensor) -> torch.Tensor:
    return values.round().clamp(0, LEVELS)


def _last_stage(vae: AutoencoderTiny) -> tuple[list[nn.Module], nn.Conv2d, nn.Conv2d] | None:
    """The layers before a last stage without blocks, and its convolutions; None: it has blocks."""
    *layers, enlarge, first, last = vae.decoder.layers
    fits = _enlarges(enlarge) and _is_3x3(first) and first.bias is None and _is_3x3(last)
    return (layers, first, last) if fits and last.bias is not None else None


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
    transposed.weight = _parameter(weight)
    transposed.bias = conv.bias
    return transposed


def _times(conv: nn.Conv2d, factor: float) -> nn.Conv2d:
    scaled = copy.copy(conv)
    assert conv.bias is not None  # noqa: S101
    weight, bias = (_parameter(factor * each.detach()) for each in (conv.weight, conv.bias))
    scaled._parameters = {"weight": weight, "bias": bias}
    return scaled


def _parameter(values: torch.Tensor) -> nn.Parameter:
    return nn.Parameter(values.contiguous(), requires_grad=False)
