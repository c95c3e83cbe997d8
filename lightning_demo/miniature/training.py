"""The loop all stages share: learning rate, averaging, progress, checkpoint and resume.

Knows nothing of pictures or losses. Every step draws its randomness from (seed, step), so a run
that was stopped and resumed computes the very same numbers as one that was not.
"""

from __future__ import annotations

import copy
import math
import statistics
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from tqdm import tqdm

from . import parallel
from .config import LrPlan, TrainingConfig
from .kept import replaced
from .precision import bfloat16_is_faster
from .stage_files import save_stage

MOST_USUAL_STEPS = 10  # a step counts for no more of them: its process may have been suspended


@dataclass(frozen=True)
class Length:
    """How long a stage trains: a number of steps, or minutes of wall-clock time."""

    steps: int = 0
    minutes: float = 0.0

    def progress(self, step: int, seconds: float) -> float:
        """From 0 to 1."""
        done = step / self.steps if self.steps else seconds / (60 * max(self.minutes, 1e-9))
        return min(1.0, done)


@dataclass(frozen=True)
class Moment:
    """Where a stage is, and the randomness of this step."""

    step: int  # from 0
    progress: float  # from 0 to 1
    generator: torch.Generator


@dataclass
class Rival:
    """A discriminator, trained in turn with the networks that it judges.

    `loss` is called after the stage's own loss of the same step, whose pictures it judges, and
    returns None while there is nothing to judge.
    """

    modules: Mapping[str, nn.Module]
    loss: Callable[[], torch.Tensor | None]
    lr: float
    betas: tuple[float, float] = (0.5, 0.99)


@dataclass
class Stage:
    """One training: which networks, at which rates, towards which loss, a scalar.

    `made_of` is the `StageFiles.digest` of the stages that it is made from, if there are any.
    """

    name: str
    modules: Mapping[str, nn.Module]
    loss: Callable[[Moment], torch.Tensor]
    lr: LrPlan
    ema_decay: float
    rival: Rival | None = None
    made_of: str | None = None


def lr_at(plan: LrPlan, step: int, progress: float) -> float:
    """The learning rate of a step."""
    warm = min(1.0, (step + 1) / plan.warm_up_steps)
    if progress < plan.constant_until:
        return plan.peak * warm
    phase = (progress - plan.constant_until) / (1 - plan.constant_until)
    cosine = 0.5 + 0.5 * math.cos(math.pi * min(1.0, phase))
    return plan.peak * warm * (plan.final + (1 - plan.final) * cosine)


def step_generator(seed: int, step: int) -> torch.Generator:
    """The randomness of one step of this process."""
    own = parallel.RANK_STRIDE * parallel.rank()
    return torch.Generator().manual_seed(seed * 1_000_003 + step + own)


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

    Raises:
        FloatingPointError: gradients are not finite; the last checkpoint stays as it is.
    """
    run = _Run(stage, folder, config)
    losses: list[float] = []
    saved = time.monotonic()
    # What an earlier call did says nothing of how fast this one goes on.
    begun = int(1000 * length.progress(run.step, run.seconds))
    with (
        tqdm(
            total=1000,
            initial=begun,
            desc=stage.name,
            mininterval=10,
            bar_format=_BAR,
            disable=parallel.rank() > 0,
        ) as bar,
        _attention(run.device_type),
    ):
        while (progress := parallel.agree(length.progress(run.step, run.seconds))) < 1.0:
            if stop_after is not None and run.step >= stop_after:
                run.save()
                return losses
            losses.append(run.train_step(progress))
            recent = losses[-100:]
            text = f"step {run.step} loss {sum(recent) / len(recent):.4f}"
            bar.set_postfix_str(text, refresh=False)
            bar.update(int(progress * 1000) - bar.n)
            if time.monotonic() - saved > config.checkpoint_seconds:
                run.save()
                saved = time.monotonic()
    run.finish()
    return losses


def _attention(device_type: str) -> AbstractContextManager[object]:
    """The attention that training computes with: on a CPU the plain one, on a GPU not cuDNN's.

    torch's fused one takes 25 times as long backwards as forwards in bfloat16 on a CPU, a fifth of
    a whole step, for sequences as short as the miniature's. cuDNN's, which torch 2.11 prefers on
    Hopper, gives gradients of NaN for some of such lengths (pytorch/pytorch#196678).
    """
    if device_type == "cpu":
        return sdpa_kernel(SDPBackend.MATH)
    if device_type == "cuda":
        return sdpa_kernel(
            [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
        )
    return nullcontext()


class _Run:
    """The state of a stage between two steps."""

    def __init__(self, stage: Stage, folder: Path, config: TrainingConfig) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.stage, self.config = stage, config
        self.folder = folder
        self.checkpoint = folder / f"{stage.name}.resume.pt"
        self.step, self.seconds = 0, 0.0
        self.recent: deque[float] = deque(maxlen=50)  # seconds that steps took
        self.averages = {name: copy.deepcopy(m.state_dict()) for name, m in stage.modules.items()}
        self.parameters = [p for module in stage.modules.values() for p in module.parameters()]
        self.device_type = self.parameters[0].device.type
        # All processes compute in the same precision, whatever each would have measured.
        self.bfloat16 = bool(parallel.agree(bfloat16_is_faster(self.device_type)))
        self.optimizer = torch.optim.AdamW(
            self.parameters, betas=config.betas, weight_decay=config.weight_decay
        )
        rival = stage.rival
        self.rival_modules = dict(rival.modules) if rival else {}
        self.rival_optimizer = (
            torch.optim.Adam(
                [p for m in self.rival_modules.values() for p in m.parameters()],
                lr=rival.lr,
                betas=rival.betas,
            )
            if rival
            else None
        )
        if self.checkpoint.exists():
            self._load()

    def _load(self) -> None:
        saved = torch.load(self.checkpoint, weights_only=True, map_location="cpu")
        # Checkpoints of older runs do not say.
        if (saved.get("made_of") or self.stage.made_of) != self.stage.made_of:
            print(f"{self.stage.name}: its checkpoint was made from other weights; it begins anew")
            return
        self.step, self.seconds = saved["step"], saved["seconds"]
        self.recent.extend(saved.get("recent", ()))
        for name, module in self.stage.modules.items():
            module.load_state_dict(saved["modules"][name])
            for key, value in saved["averages"][name].items():
                self.averages[name][key].copy_(value)
        self.optimizer.load_state_dict(saved["optimizer"])
        for name, module in self.rival_modules.items():
            module.load_state_dict(saved["rivals"][name])
        if self.rival_optimizer:
            self.rival_optimizer.load_state_dict(saved["rival_optimizer"])

    def save(self) -> None:
        """Writes the checkpoint; a crash while writing leaves the one before."""
        if parallel.rank() > 0:
            return
        state = {
            "step": self.step,
            "seconds": self.seconds,
            "recent": list(self.recent),
            "averages": self.averages,
            "modules": {name: m.state_dict() for name, m in self.stage.modules.items()},
            "optimizer": self.optimizer.state_dict(),
            "rivals": {name: m.state_dict() for name, m in self.rival_modules.items()},
            "rival_optimizer": self.rival_optimizer and self.rival_optimizer.state_dict(),
            "made_of": self.stage.made_of,
        }
        with replaced(self.checkpoint) as new:
            torch.save(state, new)

    def train_step(self, progress: float) -> float:
        """One step at this progress (0..1) of the stage; returns its loss."""
        started = time.monotonic()
        for group in self.optimizer.param_groups:
            group["lr"] = lr_at(self.stage.lr, self.step, progress)
        with self._autocast():
            generator = step_generator(self.config.seed, self.step)
            loss = self.stage.loss(Moment(self.step, progress, generator))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        parallel.average_gradients(self.parameters)
        norm = nn.utils.clip_grad_norm_(self.parameters, self.config.clip_norm)
        if not torch.isfinite(norm):  # no later step would mend the weights
            raise FloatingPointError(
                f"{self.stage.name}: step {self.step} has a loss of {loss.item()} and gradients "
                f"of the norm {norm.item()}"
            )
        self.optimizer.step()
        self._train_rival()
        self._average(min(self.stage.ema_decay, (1 + self.step) / (10 + self.step)))
        self.step += 1
        found = loss.item()  # before the time: a GPU has only been told what to do
        self._count(time.monotonic() - started)
        return found

    def _count(self, seconds: float) -> None:
        """Adds the time of a step to that of the stage, or of ten usual ones if it took longer."""
        usual = statistics.median(self.recent) if self.recent else seconds
        self.recent.append(seconds)
        self.seconds += min(seconds, MOST_USUAL_STEPS * usual)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device_type, torch.bfloat16, enabled=self.bfloat16)

    def _train_rival(self) -> None:
        if self.stage.rival is None or self.rival_optimizer is None:
            return
        # The stage's own loss has left gradients in the discriminator, too.
        self.rival_optimizer.zero_grad(set_to_none=True)
        with self._autocast():
            loss = self.stage.rival.loss()
        if loss is not None:
            loss.backward()
            parallel.average_gradients(
                p for module in self.rival_modules.values() for p in module.parameters()
            )
            self.rival_optimizer.step()

    @torch.no_grad()
    def _average(self, decay: float) -> None:
        for name, module in self.stage.modules.items():
            state = module.state_dict()
            floats = [key for key, value in state.items() if value.is_floating_point()]
            mine = [self.averages[name][key] for key in floats]
            torch._foreach_lerp_(mine, [state[key] for key in floats], 1 - decay)

    def finish(self) -> None:
        """Puts the averages into the modules and keeps them as the stage's result."""
        for name, module in self.stage.modules.items():
            module.load_state_dict(self.averages[name])
        with parallel.first_alone():
            if parallel.rank() == 0:
                save_stage(
                    self.folder,
                    self.stage.name,
                    self.averages,
                    self.step,
                    self.seconds,
                    self.stage.made_of,
                )
                self.checkpoint.unlink(missing_ok=True)


_BAR = "{desc}: {percentage:3.0f}% [{elapsed}<{remaining}] {postfix}\n"
