"""The nouns that cross every boundary, and the only place where input is checked.

Knows nothing about torch, HTTP or the page.
"""

from __future__ import annotations

import math
import secrets
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from .errors import InvalidRequest

MAX_PROMPT_CHARACTERS = 100_000
MAX_SEED = 2**32 - 1
MAX_GUIDANCE_SCALE = 20.0
MAX_LATENCY_BUDGET = 60_000.0  # ms
# What an engine notes of it.
NEGATIVE_UNUSED = "The negative prompt acts only above guidance 1."
SIZE_MULTIPLE = 8  # px; as diffusers asks of SDXL's sizes

PLACE = "{prompt}"  # in a style

# Fields of a request that few pictures have.
OPTIONAL = ("style", "variation_seed", "variation_strength", "morph_prompt", "morph_strength")

STEP_COUNTS = (1, 2, 4, 8)  # that SDXL-Lightning was distilled for
ROW_BUCKETS = (1, 2, 4, 8)  # rows of a call of the model that are measured, compiled and recorded

# What the safety checker says of a picture: there is none; it has not looked (at previews it never
# does); nothing is wrong; or the picture has been blurred.
Safety = Literal["off", "unchecked", "fine", "blurred"]
EngineState = Literal["loading", "ready", "failed", "closed"]


@dataclass(frozen=True, slots=True)
class Style:
    """Words around a prompt, in the form that Stable Diffusion tools exchange."""

    name: str
    prompt: str  # `{prompt}` stands for what was typed; without, it follows that after a comma
    negative_prompt: str = ""

    def prompt_of(self, prompt: str) -> str:
        """The prompt that is painted."""
        if PLACE in self.prompt:
            return self.prompt.replace(PLACE, prompt)
        return ", ".join(filter(None, (prompt, self.prompt)))

    def negative_of(self, negative_prompt: str) -> str:
        """The negative prompt that is painted: the style's words follow those that were typed."""
        if PLACE in self.negative_prompt:
            return self.negative_prompt.replace(PLACE, negative_prompt)
        return ", ".join(filter(None, (negative_prompt, self.negative_prompt)))

    @classmethod
    def parse(cls, content: Any) -> Style:
        """A style as it travels between servers: untrusted, and kept as it is.

        Raises:
            InvalidRequest: it has other fields than its texts, or they are too long.
        """
        names = [each.name for each in fields(cls)]
        good = isinstance(content, Mapping) and sorted(content) == sorted(names)
        if not good or not all(
            isinstance(text, str) and len(text) <= MAX_PROMPT_CHARACTERS
            for text in content.values()
        ):
            raise InvalidRequest("style: must have a name, a prompt and a negative_prompt.")
        return cls(**content)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one model can be asked for."""

    num_inference_steps: tuple[int, ...]  # a checkpoint exists for each, ascending
    default_steps: int
    sizes: tuple[tuple[int, int], ...]  # (width, height) it was trained at, the native one first
    min_side: int  # px
    max_side: int  # px
    styles: tuple[Style, ...] = ()

    def nearest_size(self, width: int, height: int) -> tuple[int, int]:
        """The trained (width, height) of the shape nearest to that asked for, then of its area."""

        def distance(size: tuple[int, int]) -> tuple[float, float]:
            across, down = math.log(size[0] / width), math.log(size[1] / height)
            return round(abs(across - down), 6), abs(across + down)

        return min(self.sizes, key=distance)

    def step_choices(self, asked: object) -> str:
        """The step counts, and why `asked` is not among them, for error messages."""
        choices = ", ".join(map(str, self.num_inference_steps))
        why = "there is no 1-step LoRA" if asked == 1 else "each has its own checkpoint"
        return f"{choices} ({why})"


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One picture to paint: validated, hashable, picklable, with its seed resolved.

    It is painted at `Limits.nearest_size` of its width and height: at other sizes a model repeats
    or crops things.
    """

    prompt: str
    negative_prompt: str
    num_inference_steps: int
    guidance_scale: float
    seed: int
    width: int
    height: int
    style: Style | None = None
    # A little of another seed's noise in it, as AUTOMATIC1111's variations have it (slerp).
    variation_seed: int = 0
    variation_strength: float = 0.0  # 0: none of it … 1: that seed's own picture
    # Part of the way to another prompt's embedding (slerp).
    morph_prompt: str = ""
    morph_strength: float = 0.0  # 0: none of it … 1: the other prompt's own picture

    @property
    def painted_prompt(self) -> str:
        """The prompt that the model reads: in its style."""
        return self.prompt if self.style is None else self.style.prompt_of(self.prompt)

    @property
    def painted_morph_prompt(self) -> str:
        """The other prompt that the model reads: in the same style; empty for none."""
        if self.style is None or not self.morph_prompt:
            return self.morph_prompt
        return self.style.prompt_of(self.morph_prompt)

    @property
    def painted_negative_prompt(self) -> str:
        """The negative prompt that the model reads."""
        if self.style is None:
            return self.negative_prompt
        return self.style.negative_of(self.negative_prompt)

    @property
    def guided(self) -> bool:
        """Whether guidance acts (arXiv 2207.12598): each step then asks the UNet twice."""
        return self.guidance_scale > 1

    @property
    def unet_rows(self) -> int:
        """Rows of a UNet call that it takes."""
        return 2 if self.guided else 1

    @classmethod
    def parse(cls, fields: Mapping[str, Any], limits: Limits) -> GenerationRequest:
        """Checks untrusted fields against `limits` and fills in what is absent.

        Absent or null: 4 steps (or the model's default), guidance 0, the native size, a fresh
        random seed, and nothing of the rest. Only `prompt` is required.

        Raises:
            InvalidRequest: naming the first field at fault and its allowed range.
        """
        if not isinstance(fields, Mapping):
            raise InvalidRequest("The request must be an object with named fields.")
        known = cls.__dataclass_fields__.keys()
        for name in fields:
            if name not in known:
                shown = str(name)[:40].encode("ascii", "replace").decode()
                raise InvalidRequest(
                    f"{shown}: there is no such field; the fields are {', '.join(known)}.",
                    field=shown,
                )
        given = {name: value for name, value in fields.items() if value is not None}
        native_width, native_height = limits.sizes[0]
        prompt = _text("prompt", given.get("prompt", ""))
        if not prompt:
            raise InvalidRequest(
                f"prompt: type at least one character (1 to {MAX_PROMPT_CHARACTERS:,}).",
                field="prompt",
            )
        variation = _strength("variation", given)
        morph = _strength("morph", given)
        variation_seed = _integer("variation_seed", given.get("variation_seed", 0), 0, MAX_SEED)
        morph_prompt = _text("morph_prompt", given.get("morph_prompt", ""))
        if morph and not morph_prompt:
            raise InvalidRequest(
                "morph_prompt: must be said where morph_strength is above 0.", field="morph_prompt"
            )
        return cls(
            prompt=prompt,
            negative_prompt=_text("negative_prompt", given.get("negative_prompt", "")),
            num_inference_steps=_steps(
                given.get("num_inference_steps", limits.default_steps), limits
            ),
            guidance_scale=_number(
                "guidance_scale", given.get("guidance_scale", 0.0), 0.0, MAX_GUIDANCE_SCALE
            ),
            seed=_integer("seed", given.get("seed", random_seed()), 0, MAX_SEED),
            width=_side("width", given.get("width", native_width), limits),
            height=_side("height", given.get("height", native_height), limits),
            style=_style(given.get("style", ""), limits),
            # What has no effect is left out, so that the same picture is the same request.
            variation_seed=variation_seed if variation else 0,
            variation_strength=variation,
            morph_prompt=morph_prompt if morph else "",
            morph_strength=morph,
        )

    def as_dict(self) -> dict[str, Any]:
        """The request's fields by name, ready for JSON; of the optional ones those that act."""
        found = {each.name: getattr(self, each.name) for each in fields(self)}
        if self.style is not None:
            found["style"] = self.style.name
        if not self.variation_strength:
            del found["variation_seed"], found["variation_strength"]
        if not self.morph_strength:
            del found["morph_prompt"], found["morph_strength"]
        if self.style is None:
            del found["style"]
        return found


@dataclass(frozen=True, slots=True)
class Weights:
    """The files that a model paints with, as other programs name them."""

    base: str = ""  # to which its LoRAs are added, where it has no UNet for each step count
    loras: tuple[tuple[str, float], ...] = ()  # further ones, with their scales


OWN_WEIGHTS = Weights()  # nothing beside the model's own UNets


@dataclass(frozen=True, slots=True)
class Frame:
    """One streamed picture of a request: encoded bytes, and the pixels they were made from."""

    request: GenerationRequest
    data: bytes
    media_type: str
    step: int  # steps done when it was made, 1 … num_inference_steps
    final: bool
    pixels: Any = field(repr=False, compare=False, default=None)  # uint8 [height, width, 3]
    timings: Mapping[str, float] = field(default_factory=dict)  # milliseconds by stage
    notes: tuple[str, ...] = ()  # sentences for the user, e.g. that the prompt was cut
    cached: bool = False  # repainted from memory, without the model
    model: str = ""  # that painted it; empty where the engine has only one
    weights: Weights = OWN_WEIGHTS  # of that model
    safety: Safety = "off"
    dimensions: tuple[int, int] | None = None  # width and height, px, where there are no pixels

    @property
    def may_be_shown(self) -> bool:
        """Whether a hall may see it, too."""
        return self.safety in ("off", "fine")

    @property
    def seconds(self) -> float:
        """What it took to paint, without its place in line; 0 where it comes from memory."""
        return max(0.0, self.timings.get("total", 0.0) - self.timings.get("queue", 0.0)) / 1000

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the picture, which are not always those asked for."""
        if self.pixels is None:
            return self.dimensions or (self.request.width, self.request.height)
        height, width = self.pixels.shape[:2]
        return width, height

    @property
    def progress(self) -> tuple[int, bool]:
        """How far it is; ascends within a stream, also where the last step has two frames."""
        return self.step, self.final


GETTING_FASTER = ", getting faster"  # the end of a tier that will be followed by another


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """What an engine can say about itself at any time, without waiting."""

    state: EngineState
    model: str  # "miniature" or "sdxl-lightning"
    title: str  # the same for people
    limits: Limits
    device: str = ""  # "cpu", "NVIDIA H200", … empty while unknown
    detail: str = ""  # what it is doing, or why it failed and what to do
    progress: float | None = None  # 0 … 1 while loading
    waiting: int = 0  # requests admitted and not yet started
    yielding: int = 0  # of these, those that give way to all others
    loading_model: str = ""  # that this one stands in for; `detail` and `progress` are then its
    loading_title: str = ""  # the same for people
    # Requests come on Enter or after a pause, not with each keystroke: pictures are expensive here.
    submit_on_enter: bool = False
    tier: str = ""  # how far the model has been compiled; empty where it is not
    weights: Weights = OWN_WEIGHTS
    fingerprint: str = ""  # of all that it paints with: equal ones paint equal pictures
    engines: int = 1  # of which any may paint, where one stands by for another
    engines_ready: int = 1  # of them
    own_state: EngineState | None = None  # of this machine's engine, where others stand by for it


def parse_latency_budget(value: Any) -> float:
    """An untrusted latency budget in milliseconds, 0 … 60000.

    Raises:
        InvalidRequest: naming the field and its range.
    """
    return _number("budget", value, 0.0, MAX_LATENCY_BUDGET)


def random_seed() -> int:
    """A seed nobody chose, 0 … 2^32 - 1."""
    return secrets.randbelow(MAX_SEED + 1)


def _text(name: str, value: Any) -> str:
    """`value` as one line of text: runs of white space become one space, ends are trimmed."""
    if not isinstance(value, str):
        raise InvalidRequest(f"{name}: must be text.", field=name)
    if len(value) > MAX_PROMPT_CHARACTERS:
        raise InvalidRequest(
            f"{name}: {len(value):,} characters are too many; at most "
            f"{MAX_PROMPT_CHARACTERS:,} are allowed.",
            field=name,
        )
    line = " ".join(value.split())
    for character in line:
        category = unicodedata.category(character)
        if category in ("Cc", "Cs"):
            what = "a control character" if category == "Cc" else "half of a character"
            raise InvalidRequest(
                f"{name}: contains {what} (U+{ord(character):04X}); only text is allowed.",
                field=name,
            )
    return line


def _integer(name: str, value: Any, low: int, high: int) -> int:
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if isinstance(value, bool) or not whole or not low <= value <= high:
        raise InvalidRequest(f"{name}: must be a whole number from {low} to {high}.", field=name)
    return int(value)


def _number(name: str, value: Any, low: float, high: float) -> float:
    good = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not good or not low <= value <= high:  # which NaN is not
        raise InvalidRequest(f"{name}: must be a number from {low:g} to {high:g}.", field=name)
    return float(value)


def _strength(name: str, given: Mapping[str, Any]) -> float:
    field = f"{name}_strength"
    return _number(field, given.get(field, 0.0), 0.0, 1.0)


def _style(name: Any, limits: Limits) -> Style | None:
    """The style of a name, however that is capitalised; None for an empty one."""
    if not isinstance(name, str):
        raise InvalidRequest("style: must be text.", field="style")
    if not name.strip():
        return None
    wanted = name.strip().casefold()
    for style in limits.styles:
        if style.name.casefold() == wanted:
            return style
    known = ", ".join(style.name for style in limits.styles) or "none"
    shown = "".join(c for c in name[:40] if c.isprintable())
    raise InvalidRequest(
        f"style: there is no style {shown!r}; the styles are: {known}.", field="style"
    )


def _steps(value: Any, limits: Limits) -> int:
    """One of the step counts that have a checkpoint: another would use the wrong weights."""
    good = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not good or value not in limits.num_inference_steps:
        raise InvalidRequest(
            f"num_inference_steps: must be one of {limits.step_choices(value)}.",
            field="num_inference_steps",
        )
    return int(value)


def _side(name: str, value: Any, limits: Limits) -> int:
    allowed = (
        f"{name}: must be a multiple of {SIZE_MULTIPLE} from {limits.min_side} "
        f"to {limits.max_side} pixels."
    )
    try:
        side = _integer(name, value, limits.min_side, limits.max_side)
    except InvalidRequest:
        raise InvalidRequest(allowed, field=name) from None
    if side % SIZE_MULTIPLE:
        raise InvalidRequest(allowed, field=name)
    return side
