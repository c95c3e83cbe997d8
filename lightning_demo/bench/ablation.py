"""The optimisations of `Speed`, switched on one after another, here or in a second process."""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from subprocess import CalledProcessError, TimeoutExpired, run
from typing import Any

import torch

from ..model.compile.compile_plan import Form
from ..model.compile.fp8 import FP8_DTYPE, to_fp8
from ..model.compile.speed import Speed
from ..model.loading import Components
from ..model.sampling.sampler import Sampler
from .bench_model import Weights, compiling_sampler, load_bench_model, picture
from .recast import recast
from .timing import problems, traced

EAGER = (  # field of `Speed`, name of its stage
    ("cross_attention_cache", "+ keys and values once"),
    ("channels_last", "+ channels last"),
    ("cudnn_attention", "+ cuDNN attention"),
    ("fp16_accumulation", "+ sums in half precision"),
)
RECORDED = (  # the same, of what acts on recorded calls
    ("cudnn_benchmark", "+ cuDNN benchmark"),  # tried while they are recorded
    ("decode_stream", "+ decode stream"),
)


@dataclass(frozen=True, slots=True)
class AblationStage:
    """What is on, and the form that calls have."""

    name: str
    speed: Speed
    form: Form | None = None  # None: as they are
    tier: str = ""  # what serving calls this state; empty: serving is never in it


def ablation(target: Speed) -> tuple[AblationStage, ...]:
    """All stages on the way to a speed."""
    speed = Speed(cross_attention_cache=False, compile_backend=target.compile_backend)
    stages = [AblationStage("our sampler", speed)]
    for field, name in EAGER:
        if getattr(target, field):
            speed = replace(speed, **{field: True})  # type: ignore[arg-type]
            stages.append(AblationStage(name, speed))
    stages[-1] = replace(stages[-1], tier="eager")
    if target.cuda_graphs:
        speed = replace(speed, cuda_graphs=True)
        stages.append(AblationStage("+ CUDA graphs", speed, "recorded"))
        for field, name in RECORDED:
            if getattr(target, field):
                speed = replace(speed, **{field: True})  # type: ignore[arg-type]
                stages.append(AblationStage(name, speed, "recorded"))
        stages[-1] = replace(stages[-1], tier="recorded")
    if target.compile:
        speed = replace(speed, compile=True, autotune=target.autotune)
        stages.append(AblationStage("+ compiled", speed, "compiled", "compiled"))
    if target.fp8:  # last: it is another model from there on
        stages.append(AblationStage("+ fp8", replace(speed, fp8=True), stages[-1].form))
    return tuple(stages)


def main_steps(step_counts: Sequence[int]) -> int:
    """The step count that is measured at every stage: the usual one, if it is among them."""
    return 4 if 4 in step_counts else max(step_counts)


class Ablation:
    """Goes from stage to stage on the same components; in 8 bits, on a copy of them."""

    def __init__(self, components: Components, step_counts: Sequence[int]) -> None:
        self._components, self._main_steps = components, main_steps(step_counts)
        self._speed: Speed | None = None
        for steps in step_counts:  # so that all that will be used takes the layout below
            components.unets.get(steps)

    def advance(self, stage: AblationStage) -> Sampler:
        """The sampler as it is at a stage; in 8 bits only for the main step count."""
        if stage.speed != self._speed:
            self._speed = stage.speed
            parts = self._components
            if stage.speed.fp8:
                parts = recast(parts, FP8_DTYPE, self._main_steps, to_fp8)
            else:
                _lay_out(parts, stage.speed)
            self._sampler = compiling_sampler(parts, stage.speed)
        while stage.form and not self._sampler.improvement.has_done(stage.form):
            self._sampler.improve()
        return self._sampler


def _lay_out(parts: Components, speed: Speed) -> None:
    layout = torch.channels_last if speed.channels_last else torch.contiguous_format
    for module in (*parts.unets.resident(), parts.vae, parts.preview_vae):
        module.to(memory_format=layout)


def time_second_process(
    weights: Weights, device: str, speed: Speed, threads: int, patience: float = 900.0
) -> dict[str, Any]:
    """`time_learning` in a new process, which finds this one's compiler cache.

    The new process is this module as a program, which prints its seconds as JSON.
    """
    fields = {name: getattr(speed, name) for name in Speed.__slots__}
    command = [sys.executable, "-m", __name__, weights, device, json.dumps(fields), str(threads)]
    try:
        done = run(  # noqa: S603
            command, capture_output=True, text=True, timeout=patience, check=True
        )
    except TimeoutExpired:
        return {"error": f"did not end within {patience:.0f} s"}
    except CalledProcessError as error:
        return {"error": f"ended with {error.returncode}: {error.stderr[-1000:]}"}
    return json.loads(done.stdout.splitlines()[-1])


def time_learning(weights: Weights, device: str, speed: Speed) -> dict[str, Any]:
    """Seconds that this process takes to learn what there is to learn, by stage.

    With how much it goes on to make while it paints, which should be nothing.
    """
    begun = time.perf_counter()
    model = load_bench_model(weights, device)
    steps = model.components.spec.limits.default_steps
    stages = Ablation(model.components, (steps,))
    seconds: dict[str, Any] = {"load_seconds": round(time.perf_counter() - begun, 1)}
    with problems() as found:
        for stage in ablation(replace(speed, fp8=False)):  # which is not what serving is in
            begun = time.perf_counter()
            sampler = stages.advance(stage)
            if stage.form and stage.tier:
                seconds[stage.tier] = round(time.perf_counter() - begun, 1)
        before = sampler.improvement.made + traced()
        for _ in range(2):
            picture(sampler, model.request(steps))
        seconds["made_afterwards"] = sampler.improvement.made + traced() - before
    return {**seconds, "problems": found}


if __name__ == "__main__":
    weights_, device_, speed_, threads_ = sys.argv[1:]
    torch.set_num_threads(int(threads_))
    warnings.simplefilter("ignore")
    print(json.dumps(time_learning(weights_, device_, Speed(**json.loads(speed_)))))  # type: ignore[arg-type]
