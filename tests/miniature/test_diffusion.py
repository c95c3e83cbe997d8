"""Noising and denoising agree with diffusers' own scheduler."""

from __future__ import annotations

import pytest
import torch

from lightning_demo.miniature.architecture import build_components, build_scheduler
from lightning_demo.miniature.diffusion import (
    END,
    Conditioning,
    add_noise,
    ddim_step,
    make_time_ids,
    predict,
    sample_latents,
    trailing_timesteps,
    velocity,
)
from lightning_demo.miniature.distill import path_timesteps


@pytest.mark.parametrize("steps", [1, 2, 4, 8, 16])
def test_timesteps_are_the_schedulers(steps: int):
    scheduler = build_scheduler()
    scheduler.set_timesteps(steps)
    assert trailing_timesteps(steps) == scheduler.timesteps.int().tolist()


def test_a_perfect_prediction_leads_back_to_the_picture():
    x0, noise = torch.randn(2, 3, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    timesteps = torch.tensor([999, 499, 20])
    end = torch.full((3,), END)
    noisy, perfect = add_noise(x0, noise, timesteps), velocity(x0, noise, timesteps)
    assert torch.allclose(ddim_step(noisy, perfect, timesteps, end), x0, atol=1e-5)
    same = ddim_step(noisy, perfect, timesteps, timesteps)
    assert torch.allclose(same, noisy, atol=1e-5), "a step of no length changes nothing"


def test_sampling_is_the_pipelines_euler():
    unet = build_components(1000).unet.eval()
    noise = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    given = Conditioning(
        torch.randn(1, 32, 224), torch.randn(1, 128), make_time_ids(1, 64, 64, noise.device)
    )
    scheduler = build_scheduler()
    scheduler.set_timesteps(4)
    x = noise * scheduler.init_noise_sigma
    with torch.no_grad():
        for timestep in scheduler.timesteps:
            scaled = scheduler.scale_model_input(x, timestep)
            x = scheduler.step(
                predict(unet, scaled, timestep[None], given), timestep, x
            ).prev_sample
        mine = sample_latents(unet, noise, given, 4)
    # Theirs starts at sigma 14.61 times the noise, mine at the noise: a quarter of a percent.
    assert (mine - x).abs().max() < 0.05 * x.abs().max()


def test_a_students_step_covers_its_teachers():
    paths = path_timesteps(4, 2)
    assert paths[:, 0].tolist() == trailing_timesteps(4)
    assert paths[:-1, -1].tolist() == trailing_timesteps(4)[1:]
    assert paths[-1, -1] == END
    assert paths[:, :-1].flatten().tolist() == trailing_timesteps(8)
