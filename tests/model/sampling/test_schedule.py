"""The tables against published numbers and against diffusers' own noise scheduler."""

import math

import pytest
import torch
from diffusers import EulerDiscreteScheduler

from lightning_demo.model.sampling.schedule import schedule
from lightning_demo.model.weights.model_spec import PredictionType

GOLDEN = {
    1: ([999], [14.6146, 0]),
    2: ([999, 499], [14.6146, 1.6129, 0]),
    4: ([999, 749, 499, 249], [14.6146, 4.0817, 1.6129, 0.6932, 0]),
    8: (
        [999, 874, 749, 624, 499, 374, 249, 124],
        [14.6146, 7.2974, 4.0817, 2.4925, 1.6129, 1.0690, 0.6932, 0.3977, 0],
    ),
}
SDXL = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "steps_offset": 1,
}


@pytest.mark.parametrize("steps", GOLDEN)
def test_golden_numbers(steps: int):
    timesteps, sigmas = GOLDEN[steps]
    table = schedule(steps, "epsilon")
    assert list(table.timesteps) == timesteps
    assert list(table.sigmas) == pytest.approx(sigmas, abs=5e-4)
    assert table.init_noise_sigma == table.sigmas[0]


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5, 8, 16, 25, 32, 48])
def test_tables_equal_diffusers_bit_for_bit(steps: int):
    scheduler = EulerDiscreteScheduler(**SDXL, timestep_spacing="trailing")
    scheduler.set_timesteps(steps)
    table = schedule(steps, "epsilon")
    assert list(table.timesteps) == scheduler.timesteps.tolist()
    assert list(table.sigmas) == scheduler.sigmas.tolist()
    assert table.init_noise_sigma == float(scheduler.init_noise_sigma)


def test_the_leading_schedule_of_the_base_config_is_not_ours():
    """What diffusers gives when "trailing" is forgotten: the mistake that paints grey noise."""
    scheduler = EulerDiscreteScheduler(**SDXL, timestep_spacing="leading")
    scheduler.set_timesteps(4)
    assert scheduler.timesteps.tolist() == [751, 501, 251, 1]
    assert list(schedule(4, "epsilon").timesteps) != scheduler.timesteps.tolist()


def test_grids_nest_and_share_their_start():
    two, four, eight = (set(schedule(n, "epsilon").timesteps) for n in (2, 4, 8))
    assert two < four < eight


def test_coefficients_by_prediction_type():
    epsilon = schedule(4, "epsilon").steps[1]
    sample = schedule(4, "sample").steps[1]
    assert (epsilon.p, epsilon.q) == (1.0, -epsilon.sigma)
    assert (sample.p, sample.q) == (math.inf, 1.0)
    assert epsilon.dt == sample.dt < 0
    velocity = schedule(4, "v_prediction").steps[1]
    variance = velocity.sigma**2 + 1
    assert velocity.p == pytest.approx(variance)
    assert velocity.q == pytest.approx(-velocity.sigma / variance**0.5)


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
def test_a_step_equals_diffusers_bit_for_bit(kind: PredictionType):
    generator = torch.Generator().manual_seed(0)
    scheduler = EulerDiscreteScheduler(**SDXL, timestep_spacing="trailing", prediction_type=kind)
    scheduler.set_timesteps(4)
    x = torch.randn(2, 4, 8, 8, generator=generator) * scheduler.init_noise_sigma
    for step, timestep in zip(schedule(4, kind).steps, scheduler.timesteps, strict=True):
        output = torch.randn(x.shape, generator=generator)
        theirs = scheduler.step(output, timestep, x)
        denoised = x / step.p + step.q * output
        assert torch.equal(denoised, theirs.pred_original_sample)
        x = x + (x - denoised) / step.sigma * step.dt
        assert torch.equal(x, theirs.prev_sample)


def test_tables_cannot_be_changed():
    table = schedule(4, "epsilon")
    with pytest.raises(AttributeError):
        table.sigmas = ()  # type: ignore[misc]
    with pytest.raises(AttributeError):
        table.steps[0].sigma = 1.0  # type: ignore[misc]
    assert schedule(4, "epsilon") is table


@pytest.mark.parametrize(("steps", "kind"), [(0, "epsilon"), (1001, "epsilon"), (4, "velocity")])
def test_what_has_no_table(steps: int, kind: str):
    with pytest.raises(ValueError, match="must be"):
        schedule(steps, kind)  # type: ignore[arg-type]
