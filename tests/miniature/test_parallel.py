"""Several processes train one network: they agree, and it is the mean of their gradients."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import distributed, multiprocessing

from lightning_demo.miniature import parallel
from lightning_demo.miniature.config import LrPlan, TrainingConfig
from lightning_demo.miniature.stage_files import load_stage
from lightning_demo.miniature.training import (
    Length,
    Moment,
    Stage,
    run_stage,
    step_generator,
)

from .. import processes

STEPS = 5


def line_stage() -> Stage:
    torch.manual_seed(0)
    line = torch.nn.Linear(3, 1)

    def loss(at: Moment) -> torch.Tensor:
        x = torch.randn(4, 3, generator=at.generator)
        with torch.autocast("cpu", enabled=False):
            return (line(x) - x.sum(1, keepdim=True)).square().mean()

    return Stage("line", {"line": line}, loss, LrPlan(0.05, warm_up_steps=2), ema_decay=0.9)


def train(rank: int, folder: str) -> None:
    """One of two processes, as torchrun starts them."""
    meeting = f"file://{folder}/meeting"
    distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=2)
    stage = line_stage()
    run_stage(stage, Length(steps=STEPS), Path(folder), TrainingConfig())
    torch.save(stage.modules["line"].state_dict(), Path(folder, f"rank-{rank}.pt"))
    assert parallel.agree(float(rank)) == 0.0
    distributed.barrier()
    parallel.leave()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pair")
    start = processes.CONTEXT.get_start_method()
    multiprocessing.start_processes(train, args=(str(folder),), nprocs=2, start_method=start)
    return folder


def test_two_processes_end_with_the_same_weights(trained: Path):
    one, two = (torch.load(trained / f"rank-{rank}.pt", weights_only=True) for rank in range(2))
    assert all(torch.equal(one[name], two[name]) for name in one)
    kept = line_stage()
    assert load_stage(trained, "line", kept.modules)
    assert torch.equal(kept.modules["line"].weight, one["weight"])


def test_it_is_one_process_with_both_batches(trained: Path, tmp_path: Path, monkeypatch: Any):
    """The mean of two gradients is the gradient of the mean."""
    stage = line_stage()
    alone = stage.loss

    def both(at: Moment) -> torch.Tensor:
        losses = []
        for rank in range(2):
            monkeypatch.setattr(parallel, "rank", lambda rank=rank: rank)
            generator = step_generator(TrainingConfig().seed, at.step)
            losses.append(alone(replace(at, generator=generator)))
        monkeypatch.setattr(parallel, "rank", lambda: 0)
        return torch.stack(losses).mean()

    stage.loss = both
    run_stage(stage, Length(steps=STEPS), tmp_path, TrainingConfig())
    pair = torch.load(trained / "rank-0.pt", weights_only=True)
    torch.testing.assert_close(stage.modules["line"].weight, pair["weight"], atol=1e-5, rtol=1e-5)


def test_one_process_is_left_alone():
    layer = torch.nn.Linear(2, 1)
    layer(torch.ones(1, 2)).sum().backward()
    before = layer.weight.grad.clone()
    parallel.average_gradients(layer.parameters())
    assert torch.equal(layer.weight.grad, before)
    assert (parallel.rank(), parallel.agree(0.5)) == (0, 0.5)
    parallel.launch(1)  # starts nothing
    with parallel.first_alone():
        pass
