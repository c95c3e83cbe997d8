"""The optimisations of `Speed`, switched on one after another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from ..model.compile.speed import Speed
from ..model.loading import Components
from ..model.sampling.sampler import Sampler

# Of a sampler with one size: UNets by blocks, UNet and text, decoders; then guidance, not measured.
BLOCKS, WHOLE, RECORDED = 1, 3, 2


@dataclass(frozen=True, slots=True)
class Stage:
    """What is on, and how much the sampler has learned."""

    name: str
    speed: Speed
    lessons: int = 0
    tier: str = ""  # what serving calls this state; empty: serving is never in it


def stages(target: Speed) -> tuple[Stage, ...]:
    """All stages on the way to a speed."""
    speed = Speed(cross_attention_cache=False, compile_backend=target.compile_backend)
    plan = [Stage("our sampler", speed)]
    if target.cross_attention_cache:
        speed = replace(speed, cross_attention_cache=True)
        plan.append(Stage("+ keys and values once", speed))
    if target.channels_last:
        speed = replace(speed, channels_last=True)
        plan.append(Stage("+ channels last", speed))
    if target.cudnn_attention:
        speed = replace(speed, cudnn_attention=True)
        plan.append(Stage("+ cuDNN attention", speed))
    plan[-1] = replace(plan[-1], tier="eager")
    if target.compile:
        speed = replace(speed, compile=True)
        plan.append(Stage("+ blocks compiled", speed, BLOCKS, "blocks compiled"))
        plan.append(Stage("+ compiled", speed, WHOLE, "compiled"))
    if target.cuda_graphs:
        speed = replace(speed, cuda_graphs=True)
        lessons = WHOLE if target.compile else RECORDED
        plan.append(Stage("+ CUDA graphs", speed, lessons, "CUDA graphs"))
    return tuple(plan)


class Ladder:
    """Climbs from stage to stage on the same components.

    Only upwards: what has been compiled into a UNet's blocks stays there.
    """

    def __init__(self, components: Components, step_counts: Sequence[int]) -> None:
        self._components = components
        self._speed: Speed | None = None
        self._learned = 0
        for steps in step_counts:  # so that all that will be used takes the layout below
            components.unets.get(steps)

    def climb(self, stage: Stage) -> Sampler:
        """The sampler as it is at a stage."""
        if stage.speed != self._speed:
            self._speed, self._learned = stage.speed, 0
            layout = torch.channels_last if stage.speed.channels_last else torch.contiguous_format
            parts = self._components
            for module in (*parts.unets.resident(), parts.vae, parts.preview_vae):
                module.to(memory_format=layout)
            self._sampler = Sampler(parts, stage.speed)
        while self._learned < stage.lessons:
            self._sampler.improve()
            self._learned += 1
        return self._sampler
