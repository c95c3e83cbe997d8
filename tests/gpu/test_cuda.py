"""What only a CUDA GPU can show, on the miniature and on a thin SDXL in half precision.

`python -m lightning_demo bench gpu-check` runs these and the same at full size.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lightning_demo.bench.gpu_checks.context import CheckContext
from lightning_demo.bench.gpu_checks.decode_stream import preview_stream
from lightning_demo.bench.random_sdxl import THIN, RandomWeights, random_components
from lightning_demo.bench.recast import recast
from lightning_demo.bench.timing import problems
from lightning_demo.engine.runner import SamplerRunner
from lightning_demo.errors import InvalidSetting, OutOfMemory
from lightning_demo.model.compile import fp8
from lightning_demo.model.compile.cuda_graph import CudaGraph, cuda_capture
from lightning_demo.model.compile.fp8 import FP8_DTYPE, check_fp8, to_fp8
from lightning_demo.model.compile.speed import Speed
from lightning_demo.model.device import free_memory
from lightning_demo.model.group_norm import LARGE, spread_group_norms
from lightning_demo.model.loading import load_components
from lightning_demo.model.memory_plan import MemoryPlan
from lightning_demo.model.sampling.decode import decode
from lightning_demo.model.sampling.sampler import Sampler
from lightning_demo.model.weights.checkpoints import MINIATURE
from lightning_demo.model.weights.unet_files import UNetFiles
from lightning_demo.model.weights.unets import UNets

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA GPU here"),
]

CUDA = torch.device("cuda")
RECORDED = Speed(cuda_graphs=True)
STEPS = MINIATURE.limits.num_inference_steps


@pytest.fixture(scope="module")
def miniature() -> Any:
    """The miniature on the GPU, with its native size only: every size is recorded apart."""
    components = load_components(MINIATURE, "cuda")
    return replace(components, spec=replace(MINIATURE, sizes=MINIATURE.sizes[:1]))


@pytest.fixture
def memory() -> Iterator[None]:
    """Gives all memory back to the tests that follow."""
    yield
    torch.cuda.set_per_process_memory_fraction(1.0)
    torch.cuda.empty_cache()


def paint(sampler: Sampler, request: Any) -> np.ndarray:
    row = sampler.begin(request)
    while not row.done:
        sampler.step([row])
    return sampler.finish(row)


def learned(components: Any) -> Sampler:
    """A sampler whose every call is recorded; whatever could not be fails the test."""
    sampler = Sampler(components, RECORDED)
    with problems() as found:
        while sampler.improve():
            pass
    assert found == []
    return sampler


def test_recorded_pictures_are_the_eager_ones(miniature: Any, ask: Any):
    eager, recorded = Sampler(miniature), learned(miniature)
    for steps in STEPS:
        for guidance in (0.0, 2.0):
            request = ask("a cat", num_inference_steps=steps, guidance_scale=guidance)
            difference = paint(recorded, request).astype(int) - paint(eager, request)
            assert np.abs(difference).max() <= 2, request


def test_recordings_stay_valid_when_the_unet_is_overwritten(miniature: Any, ask: Any):
    source = UNetFiles(MINIATURE, CUDA, torch.float16, pinned=True)
    one = replace(miniature, unets=UNets(source, 1, STEPS))
    eager, recorded = Sampler(miniature), learned(one)
    for steps in (*STEPS, *reversed(STEPS)):
        request = ask("a red house", num_inference_steps=steps)
        difference = paint(recorded, request).astype(int) - paint(eager, request)
        assert np.abs(difference).max() <= 2, steps


def test_a_recording_that_fails_spoils_no_other_and_keeps_no_memory(memory: None):
    """Matrices large enough for a workspace, which must not be freed under those that stay."""
    capture, weights = cuda_capture(), torch.randn(2048, 2048, device=CUDA)

    def multiply(x: torch.Tensor) -> torch.Tensor:
        return (x @ weights) @ weights

    def unrecordable(x: torch.Tensor) -> float:
        return float(x.sum())

    x = torch.randn(2048, 2048, device=CUDA)
    first, second = (CudaGraph(multiply, (torch.empty_like(x),), capture) for _ in range(2))
    with pytest.raises(RuntimeError):
        CudaGraph(unrecordable, (torch.empty_like(x),), capture)
    wanted = multiply(x)
    del first
    torch.empty(2**20, pin_memory=True)
    third = CudaGraph(multiply, (torch.empty_like(x),), capture)
    noise = [torch.randn(2**22, device=CUDA) for _ in range(8)]  # where a workspace may have been
    kept = [each.clone() for each in noise]
    for graph in (second, third):
        assert torch.equal(graph(x), wanted)
    assert all(torch.equal(a, b) for a, b in zip(noise, kept, strict=True))


@pytest.mark.parametrize("late", [False, True])
def test_a_recording_that_runs_out_of_memory_spoils_no_other(memory: None, late: bool):
    """Before it is recorded, or while it is; as the call of four people's pictures may."""
    capture, x = cuda_capture(), torch.randn(1024, 1024, device=CUDA)

    def multiply(x: torch.Tensor) -> torch.Tensor:
        return x @ x

    def too_large(x: torch.Tensor) -> torch.Tensor:
        full = torch.cuda.is_current_stream_capturing() or not late
        return multiply(x).new_empty(2**31 if full else 1)

    first = CudaGraph(multiply, (torch.empty_like(x),), capture)
    total = torch.cuda.get_device_properties(CUDA).total_memory
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + 2**28) / total)
    with pytest.raises(RuntimeError):
        CudaGraph(too_large, (torch.empty_like(x),), capture)
    second = CudaGraph(multiply, (torch.empty_like(x),), capture)
    for graph in (first, second):
        assert torch.equal(graph(x), multiply(x))


def test_memory_is_pinned_while_calls_are_recorded(miniature: Any, ask: Any):
    stop = threading.Event()

    def pin() -> int:
        count = 0
        while not stop.is_set():
            torch.empty(2**16 + count, pin_memory=True)
            count += 1
        return count

    with ThreadPoolExecutor(1) as thread:
        pinning = thread.submit(pin)
        try:
            difference = paint(learned(miniature), ask()).astype(int) - paint(
                Sampler(miniature), ask()
            )
        finally:
            stop.set()
    assert pinning.result() > 0 and np.abs(difference).max() <= 2


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="there is no second GPU here")
def test_another_gpu_than_the_first_paints_alone(ask: Any):
    """Recorded and on a stream of its own, without a context on the first one."""
    before = torch.cuda.current_device()
    try:
        components = load_components(MINIATURE, "cuda:1")
        taken = torch.cuda.memory_reserved(0)
        paint(learned(components), ask())
        assert torch.cuda.memory_reserved(0) == taken
    finally:
        torch.cuda.set_device(before)


def test_a_seed_gives_the_same_picture_bit_for_bit(miniature: Any, ask: Any):
    for sampler in (Sampler(miniature), learned(miniature)):
        first, other = (paint(sampler, ask("a cat", seed=seed)) for seed in (3, 4))
        assert np.array_equal(paint(sampler, ask("a cat", seed=3)), first)
        assert not np.array_equal(first, other)


def test_a_picture_decoded_while_steps_are_taken_is_the_same(miniature: Any, ask: Any):
    speed = replace(RECORDED, decode_stream=True)
    sampler = Sampler(miniature, speed)
    sampler.warm_up()
    assert sampler.decodes_beside
    with ThreadPoolExecutor(1) as thread:
        runner = SamplerRunner(sampler, beside=thread)
        for seed in range(20):
            finished, following = (sampler.begin(ask("a cat", seed=seed + n)) for n in (0, 1))
            while not finished.done:
                runner.step([finished])
            wanted = sampler.finish(finished)
            decoding = runner.decode_beside([finished])
            while not following.done:
                runner.step([following])
                sampler.preview(following)
            assert decoding is not None
            assert np.array_equal(decoding.result()[0][0], wanted), seed


def test_pictures_are_those_of_the_cpu(miniature: Any, sampler: Sampler, ask: Any):
    """To within what half precision loses: a seed means the same everywhere."""
    request = ask("a red house by the sea")
    difference = paint(Sampler(miniature), request).astype(int) - paint(sampler, request)
    assert np.abs(difference).mean() < 4


def test_text_encoders_that_visit_leave_no_memory_behind(ask: Any, memory: None):
    profile = MemoryPlan("test", torch.float16, 1, text_encoders_stay=False, decoder="full")
    source = RandomWeights(THIN, CUDA, torch.float16)
    sampler = Sampler(random_components(THIN, CUDA, profile, source))
    request = ask("a cat", width=64, height=64)
    paint(sampler, request)
    before = torch.cuda.memory_allocated()
    paint(sampler, replace(request, prompt="a dog"))
    grown = torch.cuda.memory_allocated() - before
    # The prompt itself is remembered: its embedding, keys and values.
    assert grown < 2e6


def test_after_too_little_memory_smaller_pictures_are_painted(ask: Any, memory: None):
    profile = MemoryPlan("test", torch.float16, 1, text_encoders_stay=True, decoder="full")
    family = replace(THIN.spec, sizes=((64, 64), (2048, 2048)), max_side=2048)
    sampler = Sampler(replace(random_components(THIN, CUDA, profile), spec=family))
    small, large = (replace(ask("a cat"), width=side, height=side) for side in (64, 2048))
    paint(sampler, small)
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(CUDA).total_memory
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + 6e7) / total)
    with pytest.raises(OutOfMemory, match="smaller size"):
        paint(sampler, large)
    assert paint(sampler, small).shape == (64, 64, 3)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_large_group_normalisations_are_those_of_torch(layout: torch.memory_format, memory: None):
    """Also while it is recorded, and in the layout that the tensor has."""
    layer = torch.nn.GroupNorm(32, 128, eps=1e-6, device=CUDA, dtype=torch.float16)
    torch.nn.init.uniform_(layer.weight, 0.5, 1.5)
    torch.nn.init.normal_(layer.bias)
    x = (torch.randn(1, 128, 512, 512, device=CUDA) * 3 + 7).half().to(memory_format=layout)
    with torch.inference_mode():
        weight, bias = layer.weight.float(), layer.bias.float()
        wanted = torch.nn.functional.group_norm(x.float(), 32, weight, bias, eps=1e-6)
        spread_group_norms(layer)
        assert x.numel() >= LARGE * layer.num_groups
        recorded = CudaGraph(layer, (x.clone(),), cuda_capture())
        for found in (layer(x), recorded(x)):
            assert isinstance(found, torch.Tensor) and found.dtype == torch.float16
            assert found.is_contiguous(memory_format=layout)
            torch.testing.assert_close(found.float(), wanted, rtol=2**-9, atol=1e-2)


def test_half_precision_decodes_are_finite(memory: None):
    profile = MemoryPlan("test", torch.float16, 1, text_encoders_stay=True, decoder="full")
    components = random_components(THIN, CUDA, profile)
    latents = torch.randn(2, 4, 16, 16, device=CUDA)
    for vae in (components.vae, components.preview_vae):
        with problems() as found:
            pixels = decode(vae, latents * vae.config.scaling_factor)
        assert found == [], "nothing had to be decoded once more in float32"
        assert np.std(pixels) > 10


def test_what_another_process_holds_is_not_free(memory: None):
    """A second demo on the same card plans with what the first one leaves."""
    hold = (
        "import torch; x = torch.empty(2**30, dtype=torch.uint8, device='cuda'); print(); input()"
    )
    before = free_memory(CUDA)
    other = subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert other.stdout is not None and other.stdout.readline()
        assert free_memory(CUDA) <= before - 2**30
    finally:
        other.communicate(b"\n")


def test_weights_that_are_cast_at_each_switch_are_the_same(monkeypatch: pytest.MonkeyPatch):
    """Where the host has no room for the copy: from ordinary memory, in another dtype."""
    found = []
    for room in (True, False):
        monkeypatch.setattr(
            "lightning_demo.model.weights.unet_files.host_has_room", lambda needed, room=room: room
        )
        unets = UNets(UNetFiles(MINIATURE, CUDA, torch.bfloat16, pinned=True), 1, STEPS)
        states = (unets.get(steps).state_dict() for steps in STEPS)
        found.append([{name: t.clone() for name, t in state.items()} for state in states])
    for one, other in zip(*found, strict=True):
        assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def test_a_preview_decoded_while_a_step_is_taken_is_the_same(tmp_path: Path):
    context = CheckContext(tmp_path, tmp_path, float("inf"), small=False, inductor=False)
    context.weights = "thin"
    times = preview_stream(context)
    assert min(times.values()) > 0


def test_8_bits_paint_nearly_the_same(miniature: Any, ask: Any, monkeypatch: pytest.MonkeyPatch):
    try:
        check_fp8(CUDA, unets_stay=True)
    except InvalidSetting as error:
        pytest.skip(str(error))
    monkeypatch.setattr(fp8, "MIN_FEATURES", 64)  # the miniature has none so large
    exact = recast(miniature, FP8_DTYPE, 4)
    rounded = recast(miniature, FP8_DTYPE, 4, to_fp8)
    wanted = paint(Sampler(exact), ask("a red house")).astype(int)
    difference = np.abs(paint(learned(rounded), ask("a red house")) - wanted)
    assert 0 < difference.mean() < 12
