"""One Euler step for any mix of rows: the maths, and the tensors that it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from diffusers import UNet2DConditionModel

from ...schemas import GenerationRequest
from ..device import send
from .prompt import PromptEmbedding
from .schedule import Schedule, StepCoefficients

COEFFICIENTS = StepCoefficients.__slots__


@dataclass(slots=True)
class Row:
    """One request on its way through the steps."""

    request: GenerationRequest
    schedule: Schedule
    latents: torch.Tensor  # float32 [1, 4, h, w]; a latent is `vae_scale_factor` pixels wide
    prompt: PromptEmbedding
    negative: PromptEmbedding | None  # None: guidance is off, one UNet row is enough
    time_ids: torch.Tensor  # [1, 6] original size, crop, target size (SDXL, arXiv 2307.01952, 2.2)
    step: int = 0  # steps done
    denoised: torch.Tensor | None = None  # the last step's estimate of the result

    @property
    def chunks(self) -> int:
        """Of its prompts, which have the same number: rows of one UNet call share it."""
        return self.prompt.chunks

    @property
    def done(self) -> bool:
        """Whether every step has been taken."""
        return self.step == self.request.num_inference_steps


def call_unet(
    unet: UNet2DConditionModel,
    sample: torch.Tensor,
    timestep: torch.Tensor,
    hidden: torch.Tensor,
    pooled: torch.Tensor,
    time_ids: torch.Tensor,
) -> torch.Tensor:
    """The UNet's output for U rows."""
    return unet(
        sample,
        timestep,
        encoder_hidden_states=hidden,
        added_cond_kwargs={"text_embeds": pooled, "time_ids": time_ids},
        return_dict=False,
    )[0]


def denoising_step(
    unet: UNet2DConditionModel,
    latents: torch.Tensor,
    sources: torch.Tensor,
    coefficients: torch.Tensor,
    time_ids: torch.Tensor,
    hidden: torch.Tensor,
    pooled: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """One Euler step of B rows in a single UNet call of U rows; each row at its own step.

    Algorithm 2 of Karras et al. (arXiv 2206.00364) without churn, in the coefficients of
    `schedule`, so that step counts, step numbers, prediction types and guidance mix freely. A row
    with guidance is two rows of the UNet (classifier-free guidance, arXiv 2207.12598). Tensors
    only, and all decisions by their shapes: the whole step can be compiled and recorded.

    Args:
        latents: float32 [B, 4, h, w].
        sources: int64 [U], the row that each row of the UNet belongs to. Negatives of the rows with
            guidance come first, as in diffusers, then every row.
        coefficients: float32 [B, 7], those of the step in the order of `COEFFICIENTS`, then the
            guidance scale.
        time_ids: [B, 6].
        hidden: [U, tokens, features] in the UNet's dtype; pooled [U, features].

    Returns:
        The next latents and the denoised estimates, both float32 [B, 4, h, w].
    """
    columns = coefficients.unbind(1)
    column = {
        name: value.view(-1, 1, 1, 1) for name, value in zip(COEFFICIENTS, columns, strict=False)
    }
    inputs, timesteps = latents / column["scale"], columns[COEFFICIENTS.index("timestep")]
    negatives = sources.shape[0] - latents.shape[0]  # traced, unlike `len`
    if negatives:
        inputs, timesteps, time_ids = inputs[sources], timesteps[sources], time_ids[sources]
    output = call_unet(
        unet,
        inputs.to(hidden.dtype),
        timesteps.contiguous(),
        hidden,
        pooled,
        time_ids.to(hidden.dtype),
    ).float()
    predicted = output[negatives:]
    if negatives:
        guided, negative = sources[:negatives], output[:negatives]
        scale = columns[-1][guided].view(-1, 1, 1, 1)
        predicted = predicted.clone()
        predicted[guided] = negative + scale * (predicted[guided] - negative)
    denoised = latents / column["p"] + column["q"] * predicted
    derivative = (latents - denoised) / column["sigma"]
    return latents + derivative * column["dt"], denoised


def step_inputs(rows: Sequence[Row], *, projected: bool = False) -> tuple[torch.Tensor, ...]:
    """What `denoising_step` takes for these rows, on their device.

    Args:
        rows: at least one, all of the same size and number of chunks, none done.
        projected: whether the UNet is given the prompts' keys and values (`attention.project`).
    """
    device = rows[0].latents.device
    guided = [index for index, row in enumerate(rows) if row.negative is not None]
    prompts = [n for row in rows if (n := row.negative) is not None] + [row.prompt for row in rows]
    steps = [row.schedule.steps[row.step] for row in rows]
    coefficients = [
        [*(getattr(step, name) for name in COEFFICIENTS), row.request.guidance_scale]
        for step, row in zip(steps, rows, strict=True)
    ]
    return (
        torch.cat([row.latents for row in rows]),
        send(torch.tensor([*guided, *range(len(rows))]), device),
        send(torch.tensor(coefficients, dtype=torch.float32), device),
        torch.cat([row.time_ids for row in rows]),
        torch.cat([_hidden(prompt, projected) for prompt in prompts]),
        torch.cat([prompt.pooled for prompt in prompts]),
    )


def _hidden(prompt: PromptEmbedding, projected: bool) -> torch.Tensor:
    if not projected:
        return prompt.hidden
    assert prompt.projected is not None  # noqa: S101
    return prompt.projected
