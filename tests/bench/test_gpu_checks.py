"""Single checks of `bench gpu-check`: what they conclude, with stand-ins for what a GPU says."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from lightning_demo.bench.bench_model import load_bench_model
from lightning_demo.bench.gpu_checks import card, memory, precision, small_card, transfers
from lightning_demo.bench.gpu_checks.beside_torch import Used, compared, taken_by_this_process
from lightning_demo.bench.gpu_checks.context import CheckContext, CheckFailed, CheckSkipped
from lightning_demo.bench.gpu_checks.live import stalls
from lightning_demo.errors import CheckpointError, OutOfMemory
from lightning_demo.model.compile.programs import Programs
from lightning_demo.model.sampling.sampler import Sampler

GIB = 2**30
CUDA = torch.device("cuda")


@pytest.fixture
def small(tmp_path: Path) -> CheckContext:
    return CheckContext(tmp_path, tmp_path / "cache", float("inf"), small=True, inductor=False)


def test_a_stall_is_twice_what_an_eager_server_takes():
    eager = {"first_paint_ms": 50.0}
    found = stalls([(40.0, 90.0), (100.0, 200.0), (101.0, 210.0), (30.0, 900.0)], eager)
    assert found == {"longest_in_eager_waits": 2.02, "stalls": 1}


class Card:
    """Stands in for `torch.cuda`: 24 GiB, 2 of them another program's; this one takes 3 more at
    every look, of which torch knows 2."""

    def __init__(self, *, nvml: bool) -> None:
        self.looks, self._nvml = 0, nvml

    def synchronize(self) -> None:
        self.looks += 1

    def mem_get_info(self) -> tuple[int, int]:
        return (22 - 3 * self.looks) * GIB, 24 * GIB

    def memory_reserved(self) -> int:
        return 2 * self.looks * GIB

    def device_memory_used(self) -> int:
        if not self._nvml:
            raise ModuleNotFoundError("pynvml does not seem to be installed")
        return (3 + 3 * self.looks) * GIB


@pytest.mark.parametrize("nvml", [True, False])
def test_memory_beside_torchs_own_is_told_stage_by_stage(nvml: bool, small: CheckContext):
    fake = Card(nvml=nvml)
    found = taken_by_this_process(small, Used.now(fake), fake)
    assert found.pop("planned_mb") > 0
    mb = GIB / 10**6
    for number, stage in enumerate(("context", "eager", "recorded"), start=1):
        wanted = {"all_mb": 3 * number, "torch_mb": 2 * number, "beside_mb": number}
        wanted |= {"nvml_mb": 3 * number} if nvml else {}
        assert found[stage] == {name: int(count * mb) for name, count in wanted.items()}


def test_nvml_counts_only_where_it_has_been_asked_before_and_after():
    now = Used(5 * 10**6, 6 * 10**6)
    assert "nvml_mb" not in compared(Used(0, None), now, 0)
    assert compared(Used(10**6, 10**6), now, 10**6) == {
        "all_mb": 4,
        "torch_mb": 1,
        "beside_mb": 3,
        "nvml_mb": 5,
    }


def test_a_smaller_card_lasts_as_long_as_its_check(monkeypatch: pytest.MonkeyPatch):
    fractions: list[float] = []
    fake = SimpleNamespace(
        get_device_properties=lambda device: SimpleNamespace(total_memory=80 * GIB),
        empty_cache=lambda: None,
        set_per_process_memory_fraction=lambda fraction, device: fractions.append(fraction),
    )
    monkeypatch.setattr(torch, "cuda", fake)
    with pytest.raises(KeyError), card.memory_of(20 * GIB, CUDA):
        raise KeyError
    for count in (100 * GIB, -1):
        card.limit_memory(count, CUDA)
    assert fractions == [0.25, 1.0, 1.0, 0.0]
    card.limit_memory(1, torch.device("cpu"))
    assert len(fractions) == 4, "a CPU has no such limit"


def test_a_child_paints_and_compiles_with_what_it_is_given(
    small: CheckContext, monkeypatch: pytest.MonkeyPatch
):
    done: list[Any] = []
    monkeypatch.setattr(small_card, "limit_memory", lambda *limit: done.append(limit))
    monkeypatch.setattr(Programs, "bind", lambda self, kind, *call: done.append((kind, self.makes)))
    assert small_card.compile_within(small, 5 * GIB)["seconds"] > 0
    assert done == [(5 * GIB, torch.device("cpu")), ("preview", True)]


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory. Tried …\nMore"), OutOfMemory("Too little")],
)
def test_a_child_without_room_says_so(
    small: CheckContext, monkeypatch: pytest.MonkeyPatch, error: Exception
):
    def full(*args: Any) -> None:
        raise error

    monkeypatch.setattr(small_card, "load_bench_model", full)
    said = small_card.compile_within(small, 1)["said"]
    assert said == str(error).splitlines()[0]


def test_painting_goes_on_beside_a_child_and_is_compared(monkeypatch: pytest.MonkeyPatch):
    made = load_bench_model("tiny", "cpu")
    sampler, child, looks = Sampler(made.components), Future[None](), []

    def done() -> bool:
        looks.append(1)
        return len(looks) > 2

    monkeypatch.setattr(child, "done", done)
    found = small_card.paint_until(child, sampler, made)
    assert found["longest_beside_ms"] > 0 and found["longest_alone_ms"] > 0
    looks.clear()
    monkeypatch.setattr(small_card, "difference", lambda *args: 3)
    with pytest.raises(CheckFailed, match="differ by 3 while a child compiles"):
        small_card.paint_until(child, sampler, made)


def test_other_pictures_in_another_precision_fail(
    small: CheckContext, monkeypatch: pytest.MonkeyPatch
):
    pictures = iter([np.zeros((64, 64, 3), np.uint8), np.full((64, 64, 3), 40, np.uint8)])
    monkeypatch.setattr(precision, "picture", lambda *args: next(pictures))
    monkeypatch.setattr(precision, "_paint", lambda *args: None)
    with pytest.raises(CheckFailed, match=r"other pictures: .*'mean_pixel_difference': 40\.0"):
        precision.bf16(small)


def test_sums_in_half_precision_are_compared_with_the_usual_ones(
    small: CheckContext, monkeypatch: pytest.MonkeyPatch
):
    """Each way records with its own; what is made last leaves the usual one to other checks."""
    set_to: list[bool] = []

    class Told(Sampler):
        def warm_up(self) -> None:
            set_to.append(self.speed.fp16_accumulation)

    monkeypatch.setattr(precision, "Sampler", Told)
    found = precision.fp16_accumulation(small)
    assert set_to == [True, False]
    assert found.keys() >= {"sums_in_float16_ms", "sums_in_float32_ms"}


def test_8_bits_are_compared_with_what_they_are_rounded_from(
    small: CheckContext, monkeypatch: pytest.MonkeyPatch
):
    with pytest.raises(CheckSkipped, match="CUDA GPU"):
        precision.fp8(small)
    rounded = []
    monkeypatch.setattr(precision, "check_fp8", lambda device, unets_stay: None)
    monkeypatch.setattr(precision, "to_fp8", rounded.append)
    found = precision.fp8(small)
    assert found.keys() >= {"bfloat16_ms", "fp8_ms"} and found["max_pixel_difference"] == 0
    assert [unet.dtype for unet in rounded] == [torch.bfloat16]


def test_a_profile_too_tight_for_its_recordings_fails_with_all_figures(
    small: CheckContext, monkeypatch: pytest.MonkeyPatch
):
    def full(small: CheckContext, profile: Any, source: Any) -> None:
        if profile.decoder == "tiny":
            raise OutOfMemory("The device has too little free memory.")

    monkeypatch.setattr(memory, "_paint_all", full)
    with pytest.raises(CheckFailed, match="too little free memory") as error:
        memory.profiles(small)
    assert "24 GB and more, 4 UNets" in str(error.value)


def test_the_real_weights_are_read_where_they_are_here(
    small: CheckContext, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    with transfers._weight_file(small) as (path, weights):
        assert weights == "random" and path.stat().st_size > 2**22
    assert not path.exists()
    real = tmp_path / "unet.safetensors"
    small.small = False
    monkeypatch.setattr(transfers, "find", lambda *args, **options: real)
    with transfers._weight_file(small) as found:
        assert found == (real, "real")

    def missing(*args: Any, **options: Any) -> Path:
        raise CheckpointError("Not here.")

    monkeypatch.setattr(transfers, "find", missing)
    assert transfers._real_file() is None
