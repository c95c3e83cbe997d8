"""The sampling loop, one step at a time, for any mix of rows.

`pipe(...)` of diffusers computes the same pictures (the tests hold the two together) but spends
more time around a small model than in it, and cannot be stopped, previewed or shared between
steps. Knows nothing of sessions or queues.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from diffusers import UNet2DConditionModel

from ..errors import OutOfMemory
from ..schemas import SIZE_MULTIPLE, GenerationRequest
from .decode import decode
from .loading import Components
from .prompt import PromptEmbedding, PromptEncoder
from .schedule import Schedule, StepCoefficients, schedule

LATENT_CHANNELS = 4


@dataclass(slots=True)
class Row:
    """One request on its way through the steps."""

    request: GenerationRequest
    schedule: Schedule
    latents: torch.Tensor  # float32 [1, 4, height / 8, width / 8]
    prompt: PromptEmbedding
    negative: PromptEmbedding | None  # None: guidance is off, one UNet row is enough
    time_ids: torch.Tensor  # [1, 6] original size, crop, target size (SDXL, arXiv 2307.01952, 2.2)
    step: int = 0  # steps done
    denoised: torch.Tensor | None = field(default=None)  # the last step's estimate of the result

    @property
    def done(self) -> bool:
        """Whether every step has been taken."""
        return self.step == self.schedule.num_inference_steps


def euler_step(
    unet: UNet2DConditionModel, rows: Sequence[Row]
) -> tuple[torch.Tensor, torch.Tensor]:
    """One Euler step of every row in a single UNet call; each row at its own place.

    Algorithm 2 of Karras et al. (arXiv 2206.00364) without churn, in the coefficients of
    `schedule`, so that step counts, step numbers, prediction types and guidance mix freely. A row
    with guidance is two rows of the UNet (classifier-free guidance, arXiv 2207.12598).

    Args:
        rows: at least one, all of the same size, none done.

    Returns:
        The next latents and the denoised estimates, both float32 [B, 4, height / 8, width / 8].
    """
    latents = torch.cat([row.latents for row in rows])
    column = _columns([row.schedule.steps[row.step] for row in rows], latents.device)
    inputs, timesteps = latents / column["scale"], column["timestep"].flatten()
    time_ids = torch.cat([row.time_ids for row in rows])
    prompts = [row.prompt for row in rows]
    guided = [index for index, row in enumerate(rows) if row.negative is not None]
    if guided:
        # Their negative rows come first, as in diffusers: [negative of each guided, all rows].
        place = torch.tensor([*guided, *range(len(rows))], device=latents.device)
        inputs, timesteps, time_ids = inputs[place], timesteps[place], time_ids[place]
        prompts = [n for row in rows if (n := row.negative) is not None] + prompts
    dtype = prompts[0].hidden.dtype
    output = unet(
        inputs.to(dtype),
        timesteps,
        encoder_hidden_states=torch.cat([prompt.hidden for prompt in prompts]),
        added_cond_kwargs={
            "text_embeds": torch.cat([prompt.pooled for prompt in prompts]),
            "time_ids": time_ids.to(dtype),
        },
        return_dict=False,
    )[0].float()
    predicted = output[len(guided) :]
    if guided:
        scale = torch.tensor([rows[i].request.guidance_scale for i in guided], device=output.device)
        negative, predicted = output[: len(guided)], predicted.clone()
        predicted[guided] = negative + scale.view(-1, 1, 1, 1) * (predicted[guided] - negative)
    denoised = column["p"] * latents + column["q"] * predicted
    derivative = (latents - denoised) / column["sigma"]
    return latents + derivative * column["dt"], denoised


def _columns(steps: Sequence[StepCoefficients], device: torch.device) -> dict[str, torch.Tensor]:
    """Each coefficient of the rows as float32 [B, 1, 1, 1]."""
    names = StepCoefficients.__slots__
    table = torch.tensor([[getattr(step, name) for name in names] for step in steps], device=device)
    return {name: table[:, i].view(-1, 1, 1, 1) for i, name in enumerate(names)}


class Sampler:
    """Paints requests step by step with one model family on one device.

    Not safe for several threads: the thread that owns the device owns the sampler.
    """

    def __init__(self, components: Components) -> None:
        self._components = components
        self._prompts = PromptEncoder(components)

    @property
    def device_name(self) -> str:
        """The device, for people."""
        device = self._components.device
        return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type

    def unet(self, num_inference_steps: int) -> UNet2DConditionModel:
        """The UNet for a step count."""
        return self._components.unets.get(num_inference_steps)

    def forget_prompts(self) -> None:
        """Drops the remembered prompt embeddings, as if every prompt were new."""
        self._prompts = PromptEncoder(self._components)

    def warm_up(self) -> None:
        """Paints a picture at the usual step count so that no user pays for the first one.

        At every step count where the weights are part of the project; others are downloaded only
        when somebody asks for them.
        """
        family = self._components.family
        limits = family.limits
        width, height = limits.sizes[0]
        shipped = family.lightning.folder is not None
        for steps in limits.num_inference_steps if shipped else (limits.default_steps,):
            request = GenerationRequest("a", "", steps, 0.0, 0, width, height)
            row = self.begin(request)
            self.step([row])
            self.preview(row)
            self.finish(row)

    @torch.inference_mode()
    def begin(self, request: GenerationRequest) -> Row:
        """Encodes the prompt and draws the noise.

        The noise is drawn on the CPU, so that a seed means the same on every device.
        """
        with _memory_errors():
            checkpoint = self._components.family.checkpoint(request.num_inference_steps)
            table = schedule(request.num_inference_steps, checkpoint.prediction_type)
            prompt = self._prompts.encode(request.prompt)
            negative = None
            if request.guidance_scale > 1:
                negative = self._prompts.encode_negative(request.negative_prompt, prompt)
            limits = self._components.family.limits
            width, height = limits.nearest_size(request.width, request.height)
            noise = torch.randn(
                (1, LATENT_CHANNELS, height // SIZE_MULTIPLE, width // SIZE_MULTIPLE),
                generator=torch.Generator("cpu").manual_seed(request.seed),
            )
            device = self._components.device
            return Row(
                request=request,
                schedule=table,
                latents=noise.to(device) * table.init_noise_sigma,
                prompt=prompt,
                negative=negative,
                time_ids=torch.tensor([[height, width, 0, 0, height, width]], device=device),
            )

    @torch.inference_mode()
    def step(self, rows: Sequence[Row]) -> None:
        """Takes one step of every row; all must share step count (so, weights) and size."""
        with _memory_errors():
            unet = self.unet(rows[0].request.num_inference_steps)
            latents, denoised = euler_step(unet, rows)
            for index, row in enumerate(rows):
                row.latents = latents[index : index + 1]
                row.denoised = denoised[index : index + 1]
                row.step += 1

    def preview(self, row: Row) -> np.ndarray:
        """What the row's picture looks like so far, uint8 [height, width, 3], quickly decoded."""
        assert row.denoised is not None  # noqa: S101
        with _memory_errors():
            return _to_host(decode(self._components.preview_vae, row.denoised))

    def finish(self, row: Row) -> np.ndarray:
        """The row's picture by the full decoder, uint8 [height, width, 3]."""
        with _memory_errors():
            return _to_host(decode(self._components.vae, row.latents))

    def notes(self, row: Row) -> tuple[str, ...]:
        """What the user should know about how the request was read."""
        notes = []
        height, width = (SIZE_MULTIPLE * side for side in row.latents.shape[2:])
        if (width, height) != (row.request.width, row.request.height):
            notes.append(
                f"{row.request.width} × {row.request.height} is not a size this model was trained "
                f"at: the picture is {width} × {height}, the nearest one."
            )
        if row.prompt.token_limit is not None:
            notes.append(
                f"The prompt is long: only its first {row.prompt.token_limit - 2} tokens were read."
            )
        if row.request.negative_prompt and row.negative is None:
            notes.append("The negative prompt acts only above guidance 1.")
        return tuple(notes)


def _to_host(pixels: torch.Tensor) -> np.ndarray:
    return pixels[0].cpu().numpy()


@contextmanager
def _memory_errors() -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError as error:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        raise OutOfMemory(
            "The device has too little free memory for this picture; a smaller size needs less."
        ) from error
