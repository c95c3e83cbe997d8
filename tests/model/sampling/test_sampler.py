"""The sampler against `pipe(...)` of diffusers, which is the oracle and never the hot path."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline

from lightning_demo.errors import DeviceLost, GenerationFailed, OutOfMemory
from lightning_demo.model.sampling.sampler import Sampler
from lightning_demo.model.sampling.step import Row, denoising_step, step_inputs
from lightning_demo.model.weights.checkpoints import MINIATURE

STEPS = MINIATURE.limits.num_inference_steps


@pytest.fixture(scope="module")
def pipe() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipe = StableDiffusionXLPipeline.from_pretrained(
            MINIATURE.base.folder, variant="fp16", dtype=torch.float32, add_watermarker=False
        )
    pipe.set_progress_bar_config(disable=True)
    return pipe


@pytest.fixture
def oracle(pipe: Any, components: Any) -> Any:
    def call(request: Any, output_type: str = "latent") -> Any:
        pipe.unet = components.unets.get(request.num_inference_steps)
        pipe.scheduler = EulerDiscreteScheduler.from_config(
            pipe.scheduler.config,
            timestep_spacing="trailing",
            prediction_type=MINIATURE.checkpoint(request.num_inference_steps).prediction_type,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return pipe(
                prompt=request.prompt,
                negative_prompt=request.negative_prompt or None,
                num_inference_steps=request.num_inference_steps,
                guidance_scale=request.guidance_scale,
                width=request.width,
                height=request.height,
                generator=torch.Generator("cpu").manual_seed(request.seed),
                output_type=output_type,
            ).images

    return call


def paint(sampler: Sampler, request: Any) -> Row:
    row = sampler.begin(request)
    while not row.done:
        sampler.step([row])
    return row


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"guidance_scale": 1.0},
        {"guidance_scale": 2.0},
        {"guidance_scale": 7.5, "negative_prompt": "a tree"},
        {"width": 384, "height": 256, "seed": 2**32 - 1},
    ],
    ids=["plain", "guidance 1", "guidance 2", "negative", "wide"],
)
def test_alone_equals_the_pipeline_bit_for_bit(
    steps: int, fields: dict, sampler: Sampler, oracle: Any, ask: Any
):
    request = ask(num_inference_steps=steps, **fields)
    assert torch.equal(paint(sampler, request).latents, oracle(request))


@pytest.mark.parametrize("steps", STEPS)
def test_pixels_equal_the_pipeline_within_one_level(
    steps: int, sampler: Sampler, oracle: Any, ask: Any
):
    request = ask("a blue boat at night", num_inference_steps=steps)
    ours = sampler.finish(paint(sampler, request)).astype(int)
    theirs = np.asarray(oracle(request, "pil")[0]).astype(int)
    assert np.abs(ours - theirs).max() <= 1


def test_rows_of_every_kind_share_a_step_and_get_what_they_get_alone(
    components: Any, sampler: Sampler, ask: Any
):
    """Different step counts, step numbers, prediction types and guidance in one UNet call."""
    requests = [
        ask("a red house", num_inference_steps=4),
        ask("a cat", num_inference_steps=8, guidance_scale=2.0, seed=1),
        ask("sunset", num_inference_steps=1, seed=2),
        ask("two trees", num_inference_steps=2, guidance_scale=5.0, negative_prompt="snow", seed=3),
        ask("a red house", num_inference_steps=8, seed=4),
    ]
    unet = components.unets.get(4)
    with torch.inference_mode():
        rows = [sampler.begin(request) for request in requests]
        rows[4].step = 5
        together = denoising_step(unet, *step_inputs(rows))
        for index, row in enumerate(rows):
            for mixed, alone in zip(
                together, denoising_step(unet, *step_inputs([row])), strict=True
            ):
                difference = (mixed[index] - alone[0]).abs().max() / alone.abs().max()
                assert difference <= 1e-5


@pytest.mark.parametrize(
    "fields",
    [
        {"style": "Night"},
        {"variation_seed": 9, "variation_strength": 0.2},
        {"morph_prompt": "a blue boat", "morph_strength": 0.3},
        {"prompt": "a (red:1.5) house"},
        {"prompt": "a red house by the sea, " * 6},
        {"guidance_scale": 2.0, "negative_prompt": "a blue boat, " * 10},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_all_that_changes_a_picture_changes_it_the_same_way_each_time(
    components: Any, ask: Any, fields: dict
):
    """Whether its prompts, keys and values are remembered or not."""
    plain = {name: fields[name] for name in ("guidance_scale",) if name in fields}
    one, other = Sampler(components), Sampler(components)
    first = paint(one, ask(**fields)).latents
    between = paint(one, ask(**plain)).latents
    assert not torch.equal(first, between)
    assert torch.equal(paint(one, ask(**fields)).latents, first)
    paint(other, ask(**plain))
    assert torch.equal(paint(other, ask(**fields)).latents, first)


def test_the_ends_of_a_morph_are_both_pictures(sampler: Sampler, ask: Any):
    other = paint(sampler, ask("a blue boat", seed=9)).latents
    at_end = {"morph_prompt": "a blue boat", "variation_seed": 9}
    whole = ask("a red house", morph_strength=1, variation_strength=1, **at_end)
    assert torch.equal(paint(sampler, whole).latents, other)
    none = ask("a red house", morph_strength=0, variation_strength=0, **at_end)
    assert none == ask("a red house")


@pytest.mark.parametrize("wrong", ["timestep", "prompt", "pooled", "time_ids"])
def test_the_tolerance_would_notice_a_wrong_input(
    wrong: str, components: Any, sampler: Sampler, ask: Any
):
    unet = components.unets.get(4)
    with torch.inference_mode():
        right = sampler.begin(ask("a red house"))
        row = sampler.begin(ask("a red house"))
        other = sampler.begin(ask("a blue cat at night")).prompt
        if wrong == "timestep":
            row.schedule = sampler.begin(ask("a red house", num_inference_steps=8)).schedule
            row.step = 1
            right.step = 1
        elif wrong == "prompt":
            row.prompt = type(other)(other.hidden, row.prompt.pooled)
        elif wrong == "pooled":
            row.prompt = type(other)(row.prompt.hidden, other.pooled)
        else:
            row.time_ids = row.time_ids * 2
        ours, wanted = (denoising_step(unet, *step_inputs([r]))[0] for r in (row, right))
        assert (ours - wanted).abs().max() / wanted.abs().max() > 1e-4


def test_the_same_request_paints_the_same_picture(sampler: Sampler, ask: Any):
    first = sampler.finish(paint(sampler, ask()))
    paint(sampler, ask("something else", seed=1))
    assert np.array_equal(first, sampler.finish(paint(sampler, ask())))
    assert not np.array_equal(first, sampler.finish(paint(sampler, ask(seed=8))))


def test_previews_approach_the_final_picture(sampler: Sampler, ask: Any):
    row = sampler.begin(ask("a red house by the sea at sunset"))
    distances = []
    previews = []
    while not row.done:
        sampler.step([row])
        previews.append(sampler.preview(row).astype(int))
    final = sampler.finish(row).astype(int)
    distances = [np.abs(preview - final).mean() for preview in previews]
    assert final.shape == (256, 256, 3)
    assert distances[-1] == min(distances)


def test_a_size_it_was_not_trained_at_becomes_the_nearest_one_and_says_so(
    sampler: Sampler, ask: Any
):
    row = sampler.begin(ask("a cat", width=400, height=240))
    assert sampler.notes(row) == (
        "400 × 240 is not a size this model was trained at: the picture is 384 × 256, "
        "the nearest one.",
    )
    while not row.done:
        sampler.step([row])
    same = sampler.begin(ask("a cat", width=384, height=256))
    assert sampler.notes(same) == ()
    while not same.done:
        sampler.step([same])
    assert sampler.finish(row).shape == (256, 384, 3)
    assert (sampler.finish(row) == sampler.finish(same)).all()


def test_notes_say_what_was_not_read(sampler: Sampler, ask: Any):
    assert sampler.notes(sampler.begin(ask("a cat"))) == ()
    long = sampler.notes(sampler.begin(ask("a cat and a dog " * 60)))
    assert len(long) == 1 and "tokens" in long[0]
    ignored = sampler.notes(sampler.begin(ask("a cat", negative_prompt="dogs")))
    assert len(ignored) == 1 and "guidance" in ignored[0]


def test_nan_is_an_error_not_a_black_picture(sampler: Sampler, ask: Any):
    row = paint(sampler, ask())
    row.latents = row.latents * float("nan")
    with pytest.raises(GenerationFailed, match="NaN or infinite"):
        sampler.finish(row)


@contextmanager
def failing(components: Any, error: Exception) -> Iterator[None]:
    """The UNet for 4 steps raises this error inside."""

    def fail(*args: Any) -> None:
        raise error

    handle = components.unets.get(4).register_forward_pre_hook(fail)
    try:
        yield
    finally:
        handle.remove()


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("MPS backend out of memory (MPS allocated: 9.00 GB)"),
    ],
)
def test_running_out_of_memory_is_a_sentence(
    components: Any, sampler: Sampler, ask: Any, error: Exception
):
    row = sampler.begin(ask())
    with failing(components, error), pytest.raises(OutOfMemory, match="smaller size"):
        sampler.step([row])


def test_an_error_of_a_device_that_goes_on_is_of_one_call(
    components: Any, sampler: Sampler, ask: Any
):
    row, error = sampler.begin(ask()), torch.AcceleratorError("CUDA error: invalid argument")
    with failing(components, error), pytest.raises(torch.AcceleratorError):
        sampler.step([row])
    sampler.step([row])
    assert row.step == 1


@pytest.mark.parametrize(
    "error",
    [
        torch.AcceleratorError("CUDA error: illegal address\nhints"),
        RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
        RuntimeError("run_func_(...) API call failed at model_container_runner.cpp"),
    ],
)
def test_the_end_of_a_device_is_told_from_an_error_of_one_call(
    components: Any, sampler: Sampler, ask: Any, monkeypatch: pytest.MonkeyPatch, error: Exception
):
    """After some errors of CUDA, every later call of the process fails: nobody must wait for it."""
    monkeypatch.setattr("lightning_demo.model.device_errors.responds", lambda device: False)
    row, words = sampler.begin(ask()), re.escape(str(error).splitlines()[0])
    with (
        failing(components, error),
        pytest.raises(DeviceLost, match=rf"stopped working \({words}\)"),
    ):
        sampler.step([row])
