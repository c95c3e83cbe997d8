"""SDXL at its real size, on torch's meta device: every shape, none of the numbers.

What the miniature cannot show: that the published configurations, the names in the files and this
project's own functions fit together at 2.6 billion parameters.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, AutoencoderTiny, UNet2DConditionModel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from lightning_demo.model.compile.attention import (
    cross_attention_layers,
    expect_projections,
    project,
)
from lightning_demo.model.memory_plan import TEXT_BYTES, UNET_BYTES
from lightning_demo.model.sampling.decode import render
from lightning_demo.model.sampling.prompt import PromptEmbedding, text_states
from lightning_demo.model.sampling.schedule import schedule
from lightning_demo.model.sampling.step import Row, denoising_step, step_inputs
from lightning_demo.model.weights.checkpoints import SDXL_LIGHTNING
from lightning_demo.model.weights.lora import PREFIX, read_deltas
from lightning_demo.model.weights.sdxl_config import TEXT_ENCODER, TEXT_ENCODER_2, UNET, VAE
from lightning_demo.schemas import GenerationRequest

META = torch.device("meta")


class OnDevice(TorchDispatchMode):
    """Inside, no operation may touch the host's memory, which no CUDA graph can record.

    Whatever waits for a value fails by itself: there are none on the meta device.
    """

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for each in tree_leaves((args, kwargs, result)):
            assert not isinstance(each, torch.Tensor) or each.device == META, func
        return result


@pytest.fixture(scope="module")
def unet() -> UNet2DConditionModel:
    with META:
        unet = UNet2DConditionModel.from_config(UNET)
    expect_projections(unet)
    return unet.half().eval()


def test_sizes_are_those_published(unet: UNet2DConditionModel):
    parameters = sum(parameter.numel() for parameter in unet.parameters())
    assert parameters == 2_567_463_684
    # The file is its numbers, two bytes each, and a header.
    assert 0 <= UNET_BYTES - 2 * parameters < 1e7
    with META:
        encoders = (
            CLIPTextModel(CLIPTextConfig(**TEXT_ENCODER)),
            CLIPTextModelWithProjection(CLIPTextConfig(**TEXT_ENCODER_2)),
        )
    numbers = sum(p.numel() for encoder in encoders for p in encoder.parameters())
    assert abs(TEXT_BYTES - 2 * numbers) < 1e7
    width = sum(encoder.config.hidden_size for encoder in encoders)
    assert width == unet.config.cross_attention_dim == 2048
    input_ids = torch.zeros(1, 77, dtype=torch.int64, device=META)
    with torch.inference_mode(), OnDevice():
        states = [text_states(encoder.half(), input_ids)[0] for encoder in encoders]
    assert [each.shape for each in states] == [(1, 77, 768), (1, 77, 1280)]


@pytest.mark.parametrize(
    ("size", "guidance", "projected"),
    [
        ((1024, 1024), 0.0, True),
        ((1024, 1024), 0.0, False),
        ((1536, 640), 2.0, True),
        ((512, 512), 0.0, True),
    ],
)
def test_a_step_of_every_shape(
    unet: UNet2DConditionModel, size: tuple[int, int], guidance: float, projected: bool
):
    assert size in SDXL_LIGHTNING.sizes
    width, height = size
    with torch.inference_mode():
        hidden = torch.zeros(1, 77, 2048, dtype=torch.float16, device=META)
        pooled = torch.zeros(1, 1280, dtype=torch.float16, device=META)
        prompt = PromptEmbedding(hidden, pooled, projected=project(unet, hidden))
        assert prompt.projected is not None and prompt.projected.shape == (1, 77, 166_400)
        row = Row(
            request=GenerationRequest("", "", 4, guidance, 0, width, height),
            schedule=schedule(4, "epsilon"),
            latents=torch.zeros(1, 4, height // 8, width // 8, device=META),
            prompt=prompt,
            negative=prompt if guidance > 1 else None,
            time_ids=torch.zeros(1, 6, device=META),
        )
        inputs = step_inputs([row], projected=projected)
        with OnDevice():
            latents, denoised = denoising_step(unet, *inputs)
        assert latents.shape == denoised.shape == row.latents.shape
        assert latents.dtype == torch.float32


def test_every_cross_attention_layer_is_projected(unet: UNet2DConditionModel):
    assert len(cross_attention_layers(unet)) == 70


def test_the_decoders_give_whole_pictures():
    with META:
        decoders = [AutoencoderKL.from_config(VAE), AutoencoderTiny()]
    with torch.inference_mode():
        for decoder in decoders:
            latents = torch.zeros(1, 4, 104, 152, dtype=torch.float16, device=META)
            with OnDevice():
                pixels, _ = render(decoder.half(), latents)
            assert pixels.shape == (1, 832, 1216, 3) and pixels.dtype == torch.uint8


def test_a_lora_in_the_names_of_the_published_files_fits(unet: UNet2DConditionModel):
    """Every linear and convolution but none of the norms, as SDXL-Lightning's own LoRAs have."""
    shapes = {name: tensor.shape for name, tensor in unet.state_dict().items()}
    lora = {}
    for name, shape in shapes.items():
        if not name.endswith(".weight") or len(shape) < 2:
            continue
        module = PREFIX + name.removesuffix(".weight").replace(".", "_")
        kernel = (1, 1) if len(shape) == 4 else ()
        lora[f"{module}.lora_down.weight"] = torch.empty(64, *shape[1:], device=META)
        lora[f"{module}.lora_up.weight"] = torch.empty(shape[0], 64, *kernel, device=META)
        lora[f"{module}.alpha"] = torch.tensor(8.0)
    deltas = read_deltas(lora, shapes, SDXL_LIGHTNING.lightning.folder or META)  # type: ignore[arg-type]
    assert len(deltas) == len(lora) // 3 > 700
    assert {delta.scale for delta in deltas} == {0.125}
    for delta in deltas[:20]:
        weight = torch.empty(shapes[delta.name], device=META)
        assert delta.matrix(weight).shape == weight.shape
