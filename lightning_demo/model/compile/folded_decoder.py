"""A small autoencoder's decoder whose last enlargements are one convolution, for programs on a CPU.

Behind its last block a decoder only enlarges by nearest neighbours and convolves, and that is
linear: each cell of the picture there becomes a square of pixels, which take something from the
cell and from its eight neighbours. One convolution does that, with a quarter of the work or less.
A cell at the border has no neighbours outside, and convolutions see zeros outside their own
picture, each of its own: so each side and each corner has a convolution of its own.
"""

from __future__ import annotations

import math

import torch
from torch import nn

LEVELS = 255  # of a colour, beside 0
_CELLS = 5  # of a side of the picture that is tried: the middle is not at the border
_BORDERS = ((slice(0, 2), 0), (slice(1, 4), 2), (slice(3, 5), 4))  # neighbours of a cell, and it


class FoldedTiny(nn.Module):
    """Paints levels of 255, a cell at a time. They differ from the autoencoder's by rounding alone.

    What makes levels of colours is in the weights. A program does not part the pixels of its cells:
    to reshape, it would have to compute with shapes, which OpenVINO gets wrong after a call that
    was cancelled, and a convolution that parts them takes as long as the one that makes them.
    """

    def __init__(self, body: nn.Module, tail: nn.Sequential) -> None:
        """
        Args:
            body: all before the last enlargements; it must make pictures of 3x3 cells or more.
            tail: enlargements and convolutions, of which the last alone has a bias.
        """
        super().__init__()
        last = tail[-1]
        assert isinstance(last, nn.Conv2d) and last.bias is not None  # noqa: S101
        taken = LEVELS * _taken(tail)
        side = taken.shape[-1]
        bias = LEVELS * last.bias.detach().repeat(side * side)
        self.body = body
        self.cells = nn.ModuleList(
            _convolution(taken[:, above, left, :, y, :, x], bias)
            for above, y in _BORDERS
            for left, x in _BORDERS
        )

    def forward(self, latents: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Pixels of latents by the cell, and whether all is finite.

        Args:
            latents: [B, 4, h, w].

        Returns:
            uint8 [B, cells along y, along x, side * side * 3], for `part`, and bool [].
        """
        x = self.body(torch.tanh(latents / 3) * 3)  # as diffusers' `DecoderTiny` begins
        borders = slice(2), slice(None), slice(-2, None)
        parts = [x[:, :, above, left] for above in borders for left in borders]
        cells = [convolve(part) for convolve, part in zip(self.cells, parts, strict=True)]
        rows = [torch.cat(cells[first : first + 3], dim=3) for first in (0, 3, 6)]
        levels = torch.cat(rows, dim=2).round().clamp(0, LEVELS)
        # Weights that are not finite show at the four sides too.
        sums = torch.stack([latents.sum(), *(side.sum() for side in cells[1::2])])
        return levels.to(torch.uint8).permute(0, 2, 3, 1), torch.isfinite(sums).all()


def part(cells: torch.Tensor) -> torch.Tensor:
    """Pixels [B, height, width, 3] of cells [B, height / side, width / side, side * side * 3]."""
    rows, height, width, values = cells.shape
    side = math.isqrt(values // 3)
    apart = cells.view(rows, height, width, side, side, 3).transpose(2, 3)
    return apart.reshape(rows, height * side, width * side, 3)


def _taken(tail: nn.Module) -> torch.Tensor:
    """What each pixel takes from each cell, tried out on pictures with a single one in them.

    Returns: [channels, 5, 5, colours, 5, side, 5, side]: of the cell (y, x) in the pixel (y', x')
    of the cell (Y, X), in the order y, x, Y, y', X, x'.
    """
    channels = next(layer.in_channels for layer in tail.modules() if isinstance(layer, nn.Conv2d))
    single = torch.eye(channels * _CELLS**2).view(-1, channels, _CELLS, _CELLS)
    with torch.no_grad():
        pixels = tail(single) - tail(torch.zeros_like(single[:1]))
    side = pixels.shape[-1] // _CELLS
    return pixels.view(channels, _CELLS, _CELLS, -1, _CELLS, side, _CELLS, side)


def _convolution(taken: torch.Tensor, bias: torch.Tensor) -> nn.Conv2d:
    """From the neighbours of a cell to the values of its pixels, ordered (y, x, colour).

    Args:
        taken: [channels, neighbours along y, along x, colours, side, side].
    """
    weight = taken.permute(4, 5, 3, 0, 1, 2).flatten(0, 2)
    height, width = weight.shape[2:]
    convolution = nn.Conv2d(weight.shape[1], len(weight), (height, width))
    convolution.weight, convolution.bias = parameter(weight), parameter(bias)
    return convolution


def parameter(values: torch.Tensor) -> nn.Parameter:
    """Weights that nobody trains."""
    return nn.Parameter(values.detach().contiguous(), requires_grad=False)
