"""The peer `gradio_stream`: a Gradio text box whose generator yields a picture after each step.

What people write who want to see pictures form: the pipeline's loop unrolled into a generator (as
the "live preview" helpers of many Spaces do), every visitor's event running at once
(`concurrency_limit=None`), and `trigger_mode="always_last"`: with "multiple" each keystroke would
run to its end and stale pictures would replace newer ones, with Gradio's default the last keys
would be lost. One lock stands for the one device: 40 threads that compute at once only slow each
other.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterator
from typing import Any

import torch
from diffusers import AutoencoderTiny

from ...model.weights.checkpoints import MINIATURE
from .always_last import build
from .miniature import Miniature, arguments, serve_page


class Painter:
    """The pipeline's loop, one step at a time."""

    def __init__(self, model: Miniature) -> None:
        self._pipe, self._steps = model.pipe, model.num_inference_steps
        self._preview_vae = AutoencoderTiny.from_pretrained(MINIATURE.preview.folder)
        self._device = threading.Lock()

    def paint(self, prompt: str, seed: float) -> Iterator[Any]:
        """Yields what the picture looks like after each step, then the finished one."""
        pipe = self._pipe
        (width, height), scale = MINIATURE.sizes[0], pipe.vae_scale_factor
        # Its own: a noise scheduler remembers which step it is at.
        scheduler = copy.deepcopy(pipe.scheduler)
        scheduler.set_timesteps(self._steps)
        noise = torch.randn(
            (1, pipe.unet.config.in_channels, height // scale, width // scale),
            generator=torch.Generator("cpu").manual_seed(int(seed)),
        )
        latents = noise * scheduler.init_noise_sigma
        with self._device, torch.no_grad():
            hidden, _, pooled, _ = pipe.encode_prompt(prompt, do_classifier_free_guidance=False)
        conditions = {
            "text_embeds": pooled,
            "time_ids": torch.tensor([[height, width, 0, 0, height, width]]),
        }
        for number, timestep in enumerate(scheduler.timesteps, start=1):
            with self._device, torch.no_grad():
                output = pipe.unet(
                    scheduler.scale_model_input(latents, timestep),
                    timestep,
                    encoder_hidden_states=hidden,
                    added_cond_kwargs=conditions,
                    return_dict=False,
                )[0]
                stepped = scheduler.step(output, timestep, latents)
                latents = stepped.prev_sample
                if number < self._steps:
                    picture = self._picture(self._preview_vae, stepped.pred_original_sample)
                else:
                    picture = self._picture(pipe.vae, latents)
            yield picture

    def _picture(self, vae: Any, latents: torch.Tensor) -> Any:
        pixels = vae.decode(latents / vae.config.scaling_factor, return_dict=False)[0]
        return self._pipe.image_processor.postprocess(pixels, output_type="pil")[0]


if __name__ == "__main__":
    port, model = arguments()
    serve_page(build(Painter(model).paint, concurrency_limit=None), port, model)
