"""An admitted request: how far it is, whom it may share a call with, and when it is due."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Protocol

from .base import Work
from .latency_model import Kind, Size

DRAFT_PATIENCE = 0.3  # seconds by which a draft counts as younger than it is
PAUSED = 2.0  # seconds by which a request counts as older once its user has stopped typing

Group = tuple[int, Size, int]  # step count (so, weights), size, and chunks of a prompt
_order = itertools.count()


class Progress(Protocol):
    """What the runner keeps of a request that has started: how far it is."""

    step: int  # steps done

    @property
    def chunks(self) -> int:
        """Of its prompt: more than one where it is long."""
        ...


@dataclass(slots=True, eq=False)
class InFlightRequest:
    """Work that has been admitted, until its final picture or its end."""

    work: Work
    since: float  # when its session began to wait, seconds of any clock
    size: Size  # (width, height) that it is painted at, px
    row: Progress | None = None  # the runner's, from the first step on
    started: bool = False
    dropped: bool = False  # nobody reads it any more
    done: bool = False  # nothing is left to do for it
    shown: int = 0  # steps of its last picture; 0 before the first
    preview_unread: bool = False  # its reader has not taken the last preview
    # Device seconds that it has used, or its client while it waits; those of a shared call in full.
    served: float = 0.0
    order: int = field(default_factory=lambda: next(_order))

    @property
    def step(self) -> int:
        """Steps taken."""
        return 0 if self.row is None else self.row.step

    @property
    def steps_left(self) -> int:
        """Steps still to take."""
        return self.work.request.num_inference_steps - self.step

    @property
    def rows(self) -> int:
        """Rows of a UNet call that it takes."""
        return self.work.request.unet_rows

    @property
    def group(self) -> Group:
        """What requests must have in common to share a UNet call."""
        return self.work.request.num_inference_steps, self.size, self.chunks

    @property
    def chunks(self) -> int:
        """Chunks of its prompt; one until that has been encoded."""
        return 1 if self.row is None else self.row.chunks

    @property
    def due(self) -> float:
        """When its turn is due: earlier for somebody who has stopped typing, later for a draft."""
        return self.since + DRAFT_PATIENCE * self.work.draft - PAUSED * self.work.paused

    @property
    def age(self) -> float:
        """When its turn is due, later by the device time of its client while it waits."""
        return self.due if self.started else self.due + self.served

    @property
    def decoder(self) -> Kind:
        """The kind of call that makes its final picture."""
        return "preview" if self.work.draft else "decoder"
