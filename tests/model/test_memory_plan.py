"""Memory profiles: what goes where, by how much is free."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lightning_demo.errors import OutOfMemory
from lightning_demo.model.memory_plan import (
    GIB,
    full_size_plan,
    plan_memory,
    small_plan,
)
from lightning_demo.model.memory_report import needed
from lightning_demo.model.weights.checkpoints import MINIATURE, SDXL_LIGHTNING


@pytest.mark.parametrize(
    ("free", "name", "unets", "text_encoders_stay", "decoder"),
    [
        (140, "24 GB and more", 4, True, "full"),
        (23.5, "24 GB and more", 3, True, "full"),
        (15.5, "16 GB", 1, True, "full"),
        (11.5, "12 GB", 1, True, "tiled"),
        (9.5, "10 GB", 1, False, "tiled"),
        (7.8, "8 GB", 1, False, "tiny"),
    ],
)
def test_a_gpu_by_its_free_memory(free, name, unets, text_encoders_stay, decoder):
    profile = full_size_plan("cuda", int(free * GIB), 4)
    assert (profile.name, profile.unets) == (name, unets)
    assert (profile.text_encoders_stay, profile.decoder) == (text_encoders_stay, decoder)
    assert profile.dtype == torch.float16


@given(st.floats(7.1, 200))
def test_what_stays_on_a_gpu_fits_into_it(free: float):
    profile = full_size_plan("cuda", int(free * GIB), 4)
    assert needed(profile) <= free * GIB


def test_other_devices():
    assert full_size_plan("cpu", None, 4).dtype == torch.float32
    assert full_size_plan("mps", None, 4).dtype == torch.bfloat16
    assert full_size_plan("xpu", 16 * GIB, 4).dtype == torch.bfloat16
    assert full_size_plan("xpu", None, 4).unets == 1


def test_no_more_unets_stay_than_there_are():
    assert full_size_plan("cuda", 140 * GIB, 3).unets == 3


def test_the_miniature_stays_whole_and_the_real_one_goes_by_memory():
    cpu = torch.device("cpu")
    assert plan_memory(MINIATURE, cpu) == small_plan(torch.float32, 4)
    assert plan_memory(SDXL_LIGHTNING, cpu).unets == 1


def test_a_profile_is_one_line_for_people():
    line = full_size_plan("cuda", 8 * GIB, 4).describe()
    assert line == (
        "8 GB: float16, 1 UNet on the device, text encoders visit for each new prompt, tiny decoder"
    )


def test_a_gpu_that_is_too_full_is_told():
    with pytest.raises(OutOfMemory, match=r"has 3\.1 GiB free .* end other programs"):
        full_size_plan("cuda", int(3.1 * GIB), 4)
