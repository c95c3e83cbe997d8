"""Memory profiles: what goes where, by how much is free."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lightning_demo.errors import OutOfMemory
from lightning_demo.model import memory_plan
from lightning_demo.model.device import free_memory
from lightning_demo.model.memory_plan import (
    GIB,
    MemoryPlan,
    full_size_plan,
    plan_memory,
    room_for_another,
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


class Card:
    """A GPU that several processes share; each takes what its plan says."""

    def __init__(self, gib: float) -> None:
        self.free = int(gib * GIB)

    def start(self, monkeypatch: pytest.MonkeyPatch) -> MemoryPlan:
        monkeypatch.setattr(memory_plan, "free_memory", lambda device: self.free)
        plan = plan_memory(SDXL_LIGHTNING, torch.device("cuda"))
        self.free -= needed(plan)
        assert self.free >= 0
        return plan


def test_processes_on_one_card_plan_by_what_the_others_have_left(monkeypatch: pytest.MonkeyPatch):
    card = Card(40)
    assert card.start(monkeypatch).unets == 4
    second = card.start(monkeypatch)
    assert (second.unets, second.decoder) == (1, "full"), "a smaller plan"
    with pytest.raises(OutOfMemory, match=r"another demo is one"):
        card.start(monkeypatch)


@given(st.floats(7.1, 200))
def test_however_many_start_they_fit_together(gib: float):
    card = Card(gib)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(OutOfMemory):
        for _ in range(30):
            card.start(patch)


def test_a_card_of_intel_is_asked_what_others_have_left(monkeypatch: pytest.MonkeyPatch):
    xpu = torch.device("xpu")
    monkeypatch.setattr(torch.xpu, "mem_get_info", lambda device: (5 * GIB, 16 * GIB))
    assert free_memory(xpu) == 5 * GIB

    def silent(device: torch.device) -> None:
        raise RuntimeError("the driver does not say how much memory is free")

    properties = SimpleNamespace(total_memory=16 * GIB)
    monkeypatch.setattr(torch.xpu, "mem_get_info", silent)
    monkeypatch.setattr(torch.xpu, "get_device_properties", lambda device: properties)
    monkeypatch.setattr(torch.xpu, "memory_reserved", lambda device: GIB)
    assert free_memory(xpu) == 15 * GIB


@pytest.mark.parametrize(
    ("free_gib", "resident", "room"),
    [(23.5, 1, False), (23.5 - 15, 3, False), (15.5 - 5, 1, False), (80 - 7, 1, True)],
)
def test_a_process_that_compiles_needs_room_for_all_that_will_be_loaded(free_gib, resident, room):
    plan = full_size_plan("cuda", int((free_gib + 5 * resident) * GIB), 4)
    assert room_for_another(plan, resident, int(free_gib * GIB)) == room


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
