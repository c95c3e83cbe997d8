"""What a step of the core tells whoever drives it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from ..errors import LightningError
from .in_flight import InFlightRequest
from .latency_model import Kind
from .runner import Picture

Batch: TypeAlias = Sequence[InFlightRequest]


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A request has left the queue; its first step is next."""

    request: InFlightRequest


@dataclass(frozen=True, slots=True)
class Called:
    """The device has done something for these requests."""

    kind: Kind | Literal["prompt"]
    batch: Batch
    rows: int  # of the call; of "prompt": prompts that were not known
    seconds: float


@dataclass(frozen=True, slots=True)
class Painted(Picture):
    """A request has a picture."""

    request: InFlightRequest
    first: bool  # of this request


@dataclass(frozen=True, slots=True)
class Failed:
    """A request has ended with an error, in words for its user."""

    request: InFlightRequest
    error: LightningError


@dataclass(frozen=True, slots=True)
class Dropped:
    """A request that nobody reads any more has left; so many steps came after its last picture."""

    request: InFlightRequest
    wasted_steps: int


Event: TypeAlias = Scheduled | Called | Painted | Failed | Dropped
