"""The loop all stages share: learning rate, averaging, progress, checkpoint and resume.

Knows nothing of pictures or losses. Every step draws its randomness from (seed, step), so a run
that was stopped and resumed computes the very same numbers as one that was not.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn
from tqdm import tqdm

from .config import LrPlan, TrainingConfig


@dataclass(frozen=True)
class Length:
    """How long a stage trains: a number of steps, or minutes of wall-clock time."""

    steps: int = 0
    minutes: float = 0.0

    def progress(self, step: int, seconds: float) -> float:
        """From 0 to 1."""
        done = step / self.steps if self.steps else seconds / (60 * max(self.minutes, 1e-9))
        return min(1.0, done)


@dataclass
class Stage:
    """One training: which networks, at which rates, towards which loss.

    `loss` gets a generator seeded for the step and returns a scalar.
    """

    name: str
    modules: Mapping[str, nn.Module]
    loss: Callable[[torch.Generator], torch.Tensor]
    lr: LrPlan
    ema_decay: float
    rates: Mapping[str, float] = field(default_factory=dict)  # module -> times the lr


def lr_at(plan: LrPlan, step: int, progress: float) -> float:
    """The learning rate of a step."""
    warm = min(1.0, (step + 1) / plan.warm_up_steps)
    if progress < plan.constant_until:
        return plan.peak * warm
    phase = (progress - plan.constant_until) / (1 - plan.constant_until)
    cosine = 0.5 + 0.5 * math.cos(math.pi * min(1.0, phase))
    return plan.peak * warm * (plan.final + (1 - plan.final) * cosine)


def step_generator(seed: int, step: int) -> torch.Generator:
    """The randomness of one step."""
    return torch.Generator().manual_seed(seed * 1_000_003 + step)


def run_stage(
    stage: Stage,
    length: Length,
    folder: Path,
    config: TrainingConfig,
    *,
    stop_after: int | None = None,
) -> list[float]:
    """Trains, leaves the averaged weights in the modules and in `<folder>/<name>.pt`.

    Args:
        stop_after: ends this call after so many steps in all, to be resumed by the next call.

    Returns: the losses of the steps of this call.
    """
    folder.mkdir(parents=True, exist_ok=True)
    result, resume = folder / f"{stage.name}.pt", folder / f"{stage.name}.resume.pt"
    averages = {name: copy.deepcopy(m.state_dict()) for name, m in stage.modules.items()}
    parameters = [p for module in stage.modules.values() for p in module.parameters()]
    optimizer = torch.optim.AdamW(
        [
            {"params": list(module.parameters()), "rate": stage.rates.get(name, 1.0)}
            for name, module in stage.modules.items()
        ],
        betas=config.betas,
        weight_decay=config.weight_decay,
    )
    step, seconds = 0, 0.0
    if resume.exists():
        saved = torch.load(resume, weights_only=True, map_location="cpu")
        saved["averages"] = {
            name: {key: value.to(averages[name][key].device) for key, value in state.items()}
            for name, state in saved["averages"].items()
        }
        step, seconds, averages = saved["step"], saved["seconds"], saved["averages"]
        for name, module in stage.modules.items():
            module.load_state_dict(saved["modules"][name])
        optimizer.load_state_dict(saved["optimizer"])

    def save() -> None:
        state = {
            "step": step,
            "seconds": seconds,
            "averages": averages,
            "modules": {name: m.state_dict() for name, m in stage.modules.items()},
            "optimizer": optimizer.state_dict(),
        }
        torch.save(state, resume.with_suffix(".new"))
        resume.with_suffix(".new").replace(resume)

    losses: list[float] = []
    last_save = time.monotonic()
    bar = tqdm(total=1000, desc=stage.name, mininterval=10, bar_format=_BAR)
    while (progress := length.progress(step, seconds)) < 1.0:
        if stop_after is not None and step >= stop_after:
            save()
            bar.close()
            return losses
        started = time.monotonic()
        for group in optimizer.param_groups:
            group["lr"] = lr_at(stage.lr, step, progress) * group["rate"]
        loss = stage.loss(step_generator(config.seed, step))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, config.clip_norm)
        optimizer.step()
        _average(averages, stage.modules, min(stage.ema_decay, (1 + step) / (10 + step)))
        losses.append(loss.item())
        step += 1
        seconds += time.monotonic() - started
        recent = losses[-100:]
        bar.set_postfix_str(f"step {step} loss {sum(recent) / len(recent):.4f}", refresh=False)
        bar.update(int(progress * 1000) - bar.n)
        if time.monotonic() - last_save > config.checkpoint_seconds:
            save()
            last_save = time.monotonic()
    bar.close()
    for name, module in stage.modules.items():
        module.load_state_dict(averages[name])
    torch.save({"modules": averages, "steps": step, "seconds": seconds}, result)
    resume.unlink(missing_ok=True)
    return losses


_BAR = "{desc}: {percentage:3.0f}% [{elapsed}<{remaining}] {postfix}\n"


@torch.no_grad()
def _average(
    averages: dict[str, dict[str, torch.Tensor]], modules: Mapping[str, nn.Module], decay: float
) -> None:
    for name, module in modules.items():
        state = module.state_dict()
        floats = [key for key, value in state.items() if value.is_floating_point()]
        mine = [averages[name][key] for key in floats]
        torch._foreach_lerp_(mine, [state[key] for key in floats], 1 - decay)


def load_stage(folder: Path, name: str, modules: Mapping[str, nn.Module]) -> bool:
    """Loads a finished stage's weights; False when it has not been trained yet."""
    path = folder / f"{name}.pt"
    if not path.exists():
        return False
    saved = torch.load(path, weights_only=True, map_location="cpu")["modules"]
    for key, module in modules.items():
        module.load_state_dict(saved[key])
    return True
