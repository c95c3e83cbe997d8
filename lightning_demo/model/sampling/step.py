"""One Euler step for any mix of rows: the maths and the UNet's inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from diffusers import UNet2DConditionModel

from ...schemas import GenerationRequest
from .prompt import PromptEmbedding
from .schedule import Schedule, StepCoefficients

# (UNet, sample, timestep, hidden, pooled, time_ids) -> output, as `call_unet`
UNetCall = Callable[..., torch.Tensor]


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
    """The UNet's output for U rows; tensors only, so that it can be compiled and captured."""
    return unet(
        sample,
        timestep,
        encoder_hidden_states=hidden,
        added_cond_kwargs={"text_embeds": pooled, "time_ids": time_ids},
        return_dict=False,
    )[0]


def euler_step(
    unet: UNet2DConditionModel,
    rows: Sequence[Row],
    call: UNetCall = call_unet,
    *,
    projected: bool = False,
) -> tuple[torch.Tensor, torch.Tensor]:
    """One Euler step of every row in a single UNet call; each row at its own step.

    Algorithm 2 of Karras et al. (arXiv 2206.00364) without churn, in the coefficients of
    `schedule`, so that step counts, step numbers, prediction types and guidance mix freely. A row
    with guidance is two rows of the UNet (classifier-free guidance, arXiv 2207.12598).

    Args:
        rows: at least one, all of the same size, none done.
        call: how the UNet is called: `call_unet` or a faster form of it.
        projected: whether the UNet is given the prompts' keys and values (`attention.project`).

    Returns:
        The next latents and the denoised estimates, both float32 [B, 4, h, w].
    """
    latents = torch.cat([row.latents for row in rows])
    column = _columns([row.schedule.steps[row.step] for row in rows], latents.device)
    inputs = latents / column["scale"]
    # Contiguous, as after the indexing below: another layout would compile another program.
    timesteps = column["timestep"].flatten().contiguous()
    time_ids = torch.cat([row.time_ids for row in rows])
    prompts = [row.prompt for row in rows]
    guided = [index for index, row in enumerate(rows) if row.negative is not None]
    if guided:
        # Their negative rows come first, as in diffusers: [negative of each guided, all rows].
        place = torch.tensor([*guided, *range(len(rows))], device=latents.device)
        inputs, timesteps, time_ids = inputs[place], timesteps[place], time_ids[place]
        prompts = [n for row in rows if (n := row.negative) is not None] + prompts
    dtype = prompts[0].hidden.dtype
    output = call(
        unet,
        inputs.to(dtype),
        timesteps,
        _hidden(prompts, projected),
        torch.cat([prompt.pooled for prompt in prompts]),
        time_ids.to(dtype),
    ).float()
    predicted = output[len(guided) :]
    if guided:
        guidance = [rows[i].request.guidance_scale for i in guided]
        scale = torch.tensor(guidance, dtype=torch.float32, device=output.device)
        negative, predicted = output[: len(guided)], predicted.clone()
        predicted[guided] = negative + scale.view(-1, 1, 1, 1) * (predicted[guided] - negative)
    denoised = latents / column["p"] + column["q"] * predicted
    derivative = (latents - denoised) / column["sigma"]
    return latents + derivative * column["dt"], denoised


def _hidden(prompts: Sequence[PromptEmbedding], projected: bool) -> torch.Tensor:
    if not projected:
        return torch.cat([prompt.hidden for prompt in prompts])
    return torch.cat([p for prompt in prompts if (p := prompt.projected) is not None])


def _columns(steps: Sequence[StepCoefficients], device: torch.device) -> dict[str, torch.Tensor]:
    """Each coefficient of the rows as float32 [B, 1, 1, 1]."""
    names = StepCoefficients.__slots__
    values = [[getattr(step, name) for name in names] for step in steps]
    table = torch.tensor(values, dtype=torch.float32, device=device)
    return {name: table[:, i].view(-1, 1, 1, 1) for i, name in enumerate(names)}
