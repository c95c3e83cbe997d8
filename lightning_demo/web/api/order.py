"""What a vendor's question comes to here: requests that this model can paint, and what was changed.

Clients were written for other servers: they ask for 20 steps, or for 1024 px of the miniature.
What is not painted as asked is painted as near to it as possible and said in a warning, or refused
where the client wants it strict. Nothing is dropped in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ...errors import InvalidRequest
from ...schemas import (
    MAX_GUIDANCE_SCALE,
    MAX_SEED,
    NEGATIVE_UNUSED,
    Frame,
    GenerationRequest,
    Limits,
    random_seed,
)

Format = Literal["jpeg", "png", "webp"]

Change = Callable[[str, str], None]  # our name of a field, and what became of it

MAX_STEPS = 100  # that anybody asks of a diffusion model; more is a mistake
MAX_SIDE = 4096  # px, likewise
NO_LOSS = "has no effect on PNG, which loses nothing"  # of a quality
MAX_TOLD = 20  # fields without effect that are named; some vendors' clients get them in headers


@dataclass(frozen=True, slots=True)
class Output:
    """How pictures are encoded, and what their files say beside their settings."""

    format: Format = "jpeg"
    quality: int = 90  # 1 … 100, of what is lossy
    template: str = ""  # what the prompt was made of

    @property
    def media_type(self) -> str:
        return f"image/{self.format}"


@dataclass(frozen=True, slots=True)
class Order:
    """What is painted, in the order of the answer, and what differs from what was asked."""

    requests: tuple[GenerationRequest, ...]
    output: Output
    warnings: tuple[str, ...] = ()

    @property
    def seed(self) -> int:
        """The first picture's; the next ones' follow it, or are the same."""
        return self.requests[0].seed

    def told(self, frames: Iterable[Frame]) -> list[str]:
        """The warnings, and what the engine notes of the pictures, each once."""
        notes = (note for frame in frames for note in self.notes(frame))
        return list(dict.fromkeys((*self.warnings, *notes)))

    def notes(self, frame: Frame) -> list[str]:
        """What the engine notes of a picture, but for what a warning says with the field's name."""
        return [note for note in frame.notes if note != NEGATIVE_UNUSED]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, of all of them."""
        return self.requests[0].width, self.requests[0].height


@dataclass(frozen=True, slots=True)
class Asked:
    """A vendor's question in our words, its types and bounds checked, else as it came.

    `names` are the vendor's own for our fields, for errors and warnings. None: nothing was said.
    """

    prompt: str
    negative_prompt: str | None = None
    num_inference_steps: int | None = None
    guidance_scale: float | None = None
    seed: int | None = None
    size: tuple[int, int] | None = None  # width, height, px
    shape_only: bool = False  # whether only the shape of `size` was asked for
    count: int = 1
    varied: bool = False  # whether of several pictures a variation's seed goes on, not the seed
    output: Output = Output()
    strict: bool = False
    others: Mapping[str, Any] = field(default_factory=dict)  # `OPTIONAL` fields of a request
    names: Mapping[str, str] = field(default_factory=dict)
    warnings: Sequence[str] = ()  # of the translation


def place(asked: Asked, limits: Limits) -> Order:
    """Translates a question for the model that is served.

    Raises:
        InvalidRequest: by the vendor's name of the field; if `strict`, also for what would have
            been changed.
    """
    names = asked.names
    warnings: list[str] = []

    def change(name: str, sentence: str) -> None:
        told = f"{names.get(name, name)}: {sentence}"
        if asked.strict:
            raise InvalidRequest(told, field=names.get(name, name))
        warnings.append(told)

    steps = _steps(asked.num_inference_steps, limits, change)
    guidance = asked.guidance_scale or 0.0
    if guidance > MAX_GUIDANCE_SCALE:
        change(
            "guidance_scale", f"{guidance:g} became {MAX_GUIDANCE_SCALE:g}, the most there is here."
        )
        guidance = MAX_GUIDANCE_SCALE
    if asked.negative_prompt and guidance <= 1:
        sentence = "has no effect while guidance is 1 or less, as with this model it should be."
        warnings.append(f"{names.get('negative_prompt', 'negative_prompt')}: {sentence}")
    seed = random_seed() if asked.seed is None else asked.seed
    if not 0 <= seed <= MAX_SEED:
        folded = seed % (MAX_SEED + 1)
        change("seed", f"{seed} became {folded}; seeds are from 0 to {MAX_SEED}.")
        seed = folded
    width, height = _size(asked, limits, change)
    fields = {
        "prompt": asked.prompt,
        "negative_prompt": asked.negative_prompt or "",
        "num_inference_steps": steps,
        "guidance_scale": guidance,
        "seed": seed,
        "width": width,
        "height": height,
        **asked.others,
    }
    try:
        first = GenerationRequest.parse(fields, limits)
    except InvalidRequest as error:
        raise _renamed(error, names) from None
    numbers = range(asked.count)
    if asked.varied and first.variation_strength:
        seeds = [(first.variation_seed + number) % (MAX_SEED + 1) for number in numbers]
        requests = [replace(first, variation_seed=each) for each in seeds]
    else:
        seeds = [(first.seed + number) % (MAX_SEED + 1) for number in numbers]
        requests = [replace(first, seed=each) for each in seeds]
    return Order(tuple(requests), asked.output, (*asked.warnings, *warnings))


def no_effect(given: Mapping[str, Any], reasons: Mapping[str, str] | None = None) -> list[str]:
    """A warning for each given field that changes nothing here, with its reason if there is one."""
    reasons = reasons or {}
    names = [name for name, value in given.items() if value is not None]
    told = [
        f"{_shown(name)}: {reasons.get(name, 'is not known here and has no effect')}."
        for name in names[:MAX_TOLD]
    ]
    more = len(names) - MAX_TOLD
    return [*told, f"{more} more fields have no effect."] if more > 0 else told


def _steps(asked: int | None, limits: Limits, change: Change) -> int:
    if asked is None:
        return limits.default_steps
    counts = limits.num_inference_steps
    if asked in counts:
        return asked
    # Of two that are as near, the one that paints better.
    nearest = min(counts, key=lambda steps: (abs(steps - asked), -steps))
    change(
        "num_inference_steps", f"{asked} became {nearest}; there are {limits.step_choices(asked)}."
    )
    return nearest


def _size(asked: Asked, limits: Limits, change: Change) -> tuple[int, int]:
    if asked.size is None:
        return limits.sizes[0]
    nearest = limits.nearest_size(*asked.size)
    if nearest != asked.size and not asked.shape_only:
        sizes = ", ".join(f"{width}x{height}" for width, height in limits.sizes)
        words = (
            f"{asked.size[0]}x{asked.size[1]} became {nearest[0]}x{nearest[1]}; there are {sizes}."
        )
        change("size", words)
    return nearest


def _renamed(error: InvalidRequest, names: Mapping[str, str]) -> InvalidRequest:
    """The same under the vendor's name for the field."""
    ours = error.field or ""
    theirs = names.get(ours, ours)
    message = error.message
    if message.startswith(f"{ours}:"):
        message = theirs + message[len(ours) :]
    return InvalidRequest(message, field=theirs or None)


def _shown(name: str) -> str:
    return name[:40].encode("ascii", "replace").decode()
