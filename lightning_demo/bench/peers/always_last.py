"""The peer `always_last`: a Gradio text box that calls `pipe(...)` into an image.

The usual way to build this demo, with every setting at its default except `trigger_mode`, without
which the last keystrokes are lost. Run as a program: prints its address, serves until it is ended.
"""

from __future__ import annotations

import os
import sys
import warnings
from typing import Any

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

import gradio as gr
import torch
from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline

from ...model.weights.checkpoints import MINIATURE
from ...model.weights.unet_files import UNetFiles
from ...model.weights.unets import UNets
from .gradio_page import serve
from .step_count import StepCount


def pipeline(threads: int, num_inference_steps: int) -> StableDiffusionXLPipeline:
    """The miniature in diffusers' own pipeline, with the distilled UNet and trailing timesteps."""
    torch.set_num_threads(threads)
    warnings.simplefilter("ignore")
    pipe = StableDiffusionXLPipeline.from_pretrained(
        MINIATURE.base.folder, variant="fp16", add_watermarker=False
    ).to(torch.float32)
    files = UNetFiles(MINIATURE, torch.device("cpu"), torch.float32)
    pipe.unet = UNets(files, 1, (num_inference_steps,)).get(num_inference_steps)
    pipe.scheduler = EulerDiscreteScheduler.from_config(
        pipe.scheduler.config, timestep_spacing="trailing"
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def build(pipe: StableDiffusionXLPipeline, num_inference_steps: int) -> gr.Blocks:
    """The page."""
    width, height = MINIATURE.sizes[0]

    def paint(prompt: str, seed: float) -> Any:
        return pipe(
            prompt=prompt,
            num_inference_steps=num_inference_steps,
            guidance_scale=0,
            width=width,
            height=height,
            generator=torch.Generator("cpu").manual_seed(int(seed)),
        ).images[0]

    with gr.Blocks() as demo:
        prompt = gr.Textbox(label="Prompt")
        seed = gr.Number(7, label="Seed")
        image = gr.Image()
        prompt.input(paint, [prompt, seed], image, trigger_mode="always_last", api_name="paint")
    return demo


def main() -> None:
    """`python -m lightning_demo.bench.peers.always_last PORT THREADS STEPS`."""
    port, threads, steps = map(int, sys.argv[1:4])
    pipe = pipeline(threads, steps)
    count = StepCount(pipe.unet)
    serve(build(pipe, steps), port, count)


if __name__ == "__main__":
    main()
