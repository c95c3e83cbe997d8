"""What OpenAI's images API takes, and what of it the picture here can follow.

Also as SGLang, vLLM-Omni, Together and nscale extend it: `seed`, steps, guidance, negative prompt,
width and height.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ...errors import InvalidRequest
from ...schemas import MAX_PROMPT_CHARACTERS
from .aspect import of_sides, parse_resolution
from .native_question import GUIDANCE, Guidance, Side, Steps
from .order import NO_LOSS, Asked, Format, Output, no_effect
from .reading import Question

MAX_IMAGES = 10
ANSWERS_BASE64 = ("gpt-image", "chatgpt-image")  # models that have never answered with an address
FEWER, MORE = 2, 8  # steps, where nothing but a quality is asked for
STEPS_OF_QUALITY = {"low": FEWER, "high": MORE, "xhigh": MORE, "max": MORE, "hd": MORE}
STEPS = ("num_inference_steps", "steps", "step")  # as different servers call them

Quality = Literal["auto", "low", "medium", "high", "xhigh", "max", "standard", "hd"]


class GenerationQuestion(Question):
    """What `POST /v1/images/generations` takes. Absent or null is the default."""

    prompt: Annotated[str, Field(min_length=1, max_length=MAX_PROMPT_CHARACTERS)]
    model: str | None = None
    n: Annotated[int, Field(ge=1, le=MAX_IMAGES)] | None = None
    size: Annotated[
        Annotated[str, Field(pattern=r"^(auto|[1-9]\d{0,3}x[1-9]\d{0,3})$", examples=["1024x1024"])]
        | None,
        Field(description="The nearest size is painted; auto: the model's own."),
    ] = None
    quality: Annotated[
        Quality | None, Field(description="low: 2 steps; high and above: 8; else the default.")
    ] = None
    background: Literal["auto", "opaque", "transparent"] | None = None
    style: str | None = None
    moderation: str | None = None
    user: str | None = None
    output_format: Annotated[Format | None, Field(description="png where absent.")] = None
    output_compression: Annotated[
        Annotated[int, Field(ge=0, le=100)] | None, Field(description="Of JPEG and WebP; 90.")
    ] = None
    response_format: Annotated[
        Literal["url", "b64_json", "base64"] | None,
        Field(description="Absent: b64_json for gpt-image models, else url."),
    ] = None
    stream: bool | None = None
    partial_images: Annotated[int, Field(ge=0, le=3)] | None = None
    # Not OpenAI's own:
    negative_prompt: Annotated[str, Field(max_length=MAX_PROMPT_CHARACTERS)] | None = None
    num_inference_steps: Steps | None = None
    steps: Steps | None = None
    step: Steps | None = None
    guidance_scale: Guidance | None = None
    guidance: Guidance | None = None
    seed: int | None = None
    width: Side | None = None
    height: Side | None = None

    def asked(self, served: str) -> Asked:
        """
        Args:
            served: the model that is here.

        Raises:
            InvalidRequest: two fields say different things.
        """
        steps_name, given = self.first(*STEPS)
        guidance_name, guidance = self.first(*GUIDANCE)
        size_name, _ = self.first("width", "height", "size")
        steps = given or STEPS_OF_QUALITY.get(self.quality or "")
        format = self.output_format or "png"
        quality = 90 if self.output_compression is None else max(1, self.output_compression)
        return Asked(
            self.prompt,
            self.negative_prompt,
            steps,
            guidance,
            self.seed,
            self._size(),
            count=self.n or 1,
            output=Output(format, quality),
            names={
                "num_inference_steps": steps_name,
                "guidance_scale": guidance_name,
                "size": size_name,
                "count": "n",
            },
            warnings=self._ignored(served, format),
        )

    @property
    def as_base64(self) -> bool:
        """Whether pictures travel in the answer itself."""
        if self.response_format is None:
            return (self.model or "").startswith(ANSWERS_BASE64)
        return self.response_format != "url"

    def _size(self) -> tuple[int, int] | None:
        """Width and height in pixels, however they were given."""
        if self.width is None and self.height is None:
            return None if self.size in (None, "auto") else parse_resolution(self.size, "size")
        if self.size not in (None, "auto"):
            raise InvalidRequest("size: give it or width and height, not both.", field="size")
        return of_sides(self.width, self.height)

    def _ignored(self, served: str, format: Format) -> list[str]:
        """What changes nothing here, and why."""
        _, steps = self.first(*STEPS)
        given = {
            "model": None if self.model == served else self.model,
            "background": self.background if self.background == "transparent" else None,
            "style": self.style,
            "moderation": None if self.moderation == "auto" else self.moderation,
            "user": self.user,
            "output_compression": self.output_compression if format == "png" else None,
            "quality": None if steps is None or self.quality == "auto" else self.quality,
            "response_format": "url" if self.stream and self.response_format == "url" else None,
            "partial_images": None if self.stream else self.partial_images or None,
            **self.beside(*STEPS),
            **self.beside(*GUIDANCE),
            **self.unknown,
        }
        reasons = {
            "model": f"this server has one model, {served}",
            "background": "pictures are opaque",
            "style": "has no effect; say it in the prompt",
            "moderation": "has no effect; nothing is moderated here",
            "user": "is not kept",
            "output_compression": NO_LOSS,
            **dict.fromkeys(STEPS[1:], "has no effect beside another number of steps"),
            **dict.fromkeys(GUIDANCE[1:], "has no effect beside guidance_scale"),
            "quality": "has no effect beside a number of steps",
            "response_format": "has no effect with stream; events hold pictures as base64",
            "partial_images": "has no effect without stream",
            "scheduler": "the sampler is Euler with trailing timesteps, which the model needs",
        }
        return no_effect(given, reasons)
