"""The peer `pipe(...)`: diffusers' own pipeline, as its pages say, eager or compiled."""

from __future__ import annotations

import copy
import io

import numpy as np
import torch
from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline
from diffusers.models.attention_processor import AttnProcessor2_0
from PIL import Image

from ...images import JPEG_QUALITY
from ...model.group_norm import plain_group_norms
from ...model.loading import Components
from ...model.sampling.schedule import BETA_END, BETA_START
from ...schemas import GenerationRequest


class Pipe:
    """The pipeline around copies of components, so that nothing done to those helps or hurts it."""

    def __init__(self, components: Components, dtype: torch.dtype) -> None:
        self._components = components
        self._unet = copy.deepcopy(components.unets.get(components.spec.limits.default_steps))
        self._unet.set_attn_processor(AttnProcessor2_0())
        parts = copy.deepcopy((components.vae, *components.text_encoders))
        vae, first, second = (part.to(components.device) for part in parts)
        plain_group_norms(vae)
        self.pipeline = make_pipeline(components, self._unet, vae, (first, second))
        self.to(dtype)

    def to(self, dtype: torch.dtype) -> Pipe:
        """The same pipeline, computing in another dtype."""
        self.dtype = dtype
        self.pipeline.to(dtype=dtype)
        for module in (self._unet, self.pipeline.vae):
            module.to(memory_format=torch.contiguous_format)
        return self

    @torch.inference_mode()
    def take(self, num_inference_steps: int) -> None:
        """Takes the weights and the noise scheduler of a step count."""
        weights = self._components.unets.get(num_inference_steps).state_dict()
        for name, tensor in self._unet.state_dict().items():
            tensor.copy_(weights[name])
        checkpoint = self._components.spec.checkpoint(num_inference_steps)
        self.pipeline.scheduler = noise_scheduler(checkpoint.prediction_type)

    def compile(self, backend: str = "inductor") -> None:
        """Compiles UNet and decoder as diffusers' guide to speed does (max-autotune on a GPU)."""
        cuda = self._components.device.type == "cuda"
        mode = "max-autotune" if cuda else None
        if cuda:
            self._unet.to(memory_format=torch.channels_last)
            self.pipeline.vae.to(memory_format=torch.channels_last)
        vae = self.pipeline.vae
        self.pipeline.unet = torch.compile(self._unet, mode=mode, fullgraph=True, backend=backend)
        vae.decode = torch.compile(vae.decode, mode=mode, fullgraph=True, backend=backend)

    def pixels(self, request: GenerationRequest) -> np.ndarray:
        """A request's picture, uint8 [height, width, 3]."""
        return np.asarray(call(self.pipeline, request))

    def jpeg(self, request: GenerationRequest) -> bytes:
        """A request's picture as JPEG of the quality that the demo sends."""
        buffer = io.BytesIO()
        call(self.pipeline, request).save(buffer, "JPEG", quality=JPEG_QUALITY)
        return buffer.getvalue()


def call(pipe: StableDiffusionXLPipeline, request: GenerationRequest) -> Image.Image:
    """What `pipe(...)` makes of a request."""
    return pipe(
        prompt=request.prompt,
        num_inference_steps=request.num_inference_steps,
        guidance_scale=request.guidance_scale,
        width=request.width,
        height=request.height,
        generator=torch.Generator("cpu").manual_seed(request.seed),
    ).images[0]


def noise_scheduler(prediction_type: str = "epsilon") -> EulerDiscreteScheduler:
    """Lightning's noise scheduler, as its model card says."""
    return EulerDiscreteScheduler(
        beta_start=BETA_START,
        beta_end=BETA_END,
        beta_schedule="scaled_linear",
        steps_offset=1,
        timestep_spacing="trailing",
        prediction_type=prediction_type,
    )


def make_pipeline(
    components: Components,
    unet: torch.nn.Module,
    vae: torch.nn.Module,
    text_encoders: tuple[torch.nn.Module, torch.nn.Module],
) -> StableDiffusionXLPipeline:
    """The diffusers pipeline around these modules."""
    pipe = StableDiffusionXLPipeline(
        vae=vae,
        text_encoder=text_encoders[0],
        text_encoder_2=text_encoders[1],
        tokenizer=components.tokenizers[0],
        tokenizer_2=components.tokenizers[1],
        unet=unet,
        scheduler=noise_scheduler(),
        add_watermarker=False,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe
