"""A model that takes as long as so many: the same pictures, from so many calls."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from diffusers import UNet2DConditionModel

from lightning_demo.bench.bench_model import miniature_sampler
from lightning_demo.bench.peers.miniature import Miniature
from lightning_demo.bench.servers import OURS, command
from lightning_demo.bench.slowed import slowed
from lightning_demo.model.weights.checkpoints import MINIATURE
from lightning_demo.schemas import GenerationRequest

from .. import processes

REQUEST = GenerationRequest("a cat", "", 2, 0.0, 1, *MINIATURE.sizes[0])


@pytest.fixture
def unet_calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each call of a UNet."""
    calls: list[int] = []
    forward = UNet2DConditionModel.forward

    def counted(self: UNet2DConditionModel, *args: object, **options: object) -> object:
        calls.append(1)
        return forward(self, *args, **options)

    monkeypatch.setattr(UNet2DConditionModel, "forward", counted)
    return calls


def test_our_model_is_called_so_often_and_paints_the_same(unet_calls: list[int]):
    sampler = miniature_sampler(2)

    def paint() -> np.ndarray:
        unet_calls.clear()
        row = sampler.begin(REQUEST)
        while not row.done:
            sampler.step([row])
        return sampler.finish(row)

    plain = paint()
    before = len(unet_calls)
    with slowed(3):
        assert np.array_equal(paint(), plain)
    assert len(unet_calls) == 3 * before
    paint()
    assert len(unet_calls) == before


def test_so_is_a_peers_which_counts_its_steps_once(unet_calls: list[int]):
    peer = Miniature(1, 2)
    with slowed(2, pipeline=True):
        peer.paint("a cat", 1)
    assert (len(unet_calls), peer.taken) == (4, 2)


@pytest.mark.parametrize("name", [OURS, "always_last"])
def test_servers_are_asked_for_slower(name: str):
    plain, slower = command(name, 4, 1), command(name, 4, 1, 3)
    assert slower == ["-m", "lightning_demo.bench.slowed", "3", *plain[1:]]


def test_it_runs_a_module_as_python_does():
    run = [sys.executable, "-m", "lightning_demo.bench.slowed", "2", "lightning_demo", "--help"]
    ended = processes.run(run, timeout=120, check=True)
    assert ended.stdout.startswith("usage: ")
