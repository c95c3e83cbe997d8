"""What our own API is asked: the fields of `POST /v1/pictures`, by which it is documented, too."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from ...errors import InvalidRequest
from ...schemas import MAX_GUIDANCE_SCALE, MAX_PROMPT_CHARACTERS, MAX_SEED, OPTIONAL
from .aspect import parse_aspect_ratio, parse_resolution
from .order import MAX_SIDE, MAX_STEPS, NO_LOSS, Asked, Format, Output, no_effect
from .reading import Question

MAX_IMAGES = 8
STEPS = ("num_inference_steps", "steps")  # one thing by several names: the first one given counts
GUIDANCE = ("guidance_scale", "guidance")
# Without control characters but those that are white space, as `schemas.py` has it.
_C = r"\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f"
TEXT = rf"^[^{_C}]*$"
WORDS = rf"^[^{_C}]*[^\s{_C}][^{_C}]*$"  # not white space only

Text = Annotated[str, Field(max_length=MAX_PROMPT_CHARACTERS, json_schema_extra={"pattern": TEXT})]
Side = Annotated[int, Field(ge=8, le=MAX_SIDE)]
Steps = Annotated[int, Field(ge=1, le=MAX_STEPS)]
Guidance = Annotated[float, Field(ge=0, le=MAX_GUIDANCE_SCALE)]


Strength = Annotated[float, Field(ge=0, le=1)]


class PictureQuestion(Question):
    """What `POST /v1/pictures` takes. Absent or null is the default."""

    prompt: Annotated[
        str,
        Field(
            min_length=1,
            max_length=MAX_PROMPT_CHARACTERS,
            description="What the picture shows.",
            examples=["a red house on the hill"],
            json_schema_extra={"pattern": WORDS},
        ),
    ]
    negative_prompt: Annotated[
        Text | None, Field(description="What it does not show; acts with guidance above 1.")
    ] = None
    num_inference_steps: Annotated[
        Steps | None,
        Field(description="Steps; those without a checkpoint become the nearest that has one."),
    ] = None
    steps: Annotated[
        Steps | None,
        Field(description="The same; num_inference_steps comes first."),
    ] = None
    guidance_scale: Annotated[
        Guidance | None,
        Field(description="Classifier-free guidance; SDXL-Lightning is made for 0."),
    ] = None
    guidance: Annotated[
        Guidance | None, Field(description="The same; guidance_scale comes first.")
    ] = None
    seed: Annotated[
        Annotated[int, Field(ge=0, le=MAX_SEED)] | None,
        Field(description="Of the first picture; the next ones follow it. Absent: a random one."),
    ] = None
    width: Annotated[Side | None, Field(description="Pixels; the nearest size is painted.")] = None
    height: Annotated[Side | None, Field(description="Pixels.")] = None
    aspect_ratio: Annotated[
        Annotated[str, Field(pattern=r"^[1-9]\d{0,3}:[1-9]\d{0,3}$", examples=["16:9"])] | None,
        Field(description="Of a picture of the usual area; width and height come first."),
    ] = None
    resolution: Annotated[
        Annotated[str, Field(pattern=r"^[1-9]\d{0,3}x[1-9]\d{0,3}$", examples=["1024x1024"])]
        | None,
        Field(description="The same as width and height, which come first."),
    ] = None
    style: Annotated[
        Annotated[str, Field(max_length=60)] | None,
        Field(description="Words around the prompt: the name of a style of /v1/models."),
    ] = None
    variation_seed: Annotated[
        Annotated[int, Field(ge=0, le=MAX_SEED)] | None,
        Field(description="Of a noise that is mixed in, by slerp, by variation_strength."),
    ] = None
    variation_strength: Annotated[
        Strength | None, Field(description="0: none of it; 1: the other seed's own picture.")
    ] = None
    morph_prompt: Annotated[
        Text | None,
        Field(description="Towards which the prompt's embedding goes, by slerp."),
    ] = None
    morph_strength: Annotated[
        Strength | None, Field(description="0: not at all; 1: the other prompt's own picture.")
    ] = None
    template: Annotated[
        Text | None,
        Field(description="What the prompt was made of; kept in the picture's file beside it."),
    ] = None
    num_images: Annotated[
        Annotated[int, Field(ge=1, le=MAX_IMAGES)] | None, Field(description="Pictures.")
    ] = None
    output_format: Annotated[
        Format | None, Field(description="Absent: as Accept says, else jpeg.")
    ] = None
    output_quality: Annotated[
        Annotated[int, Field(ge=1, le=100)] | None, Field(description="Of JPEG and WebP; 90.")
    ] = None
    response_format: Annotated[
        Literal["url", "b64_json"] | None, Field(description="In JSON: an address, or base64.")
    ] = None
    strict: Annotated[bool | None, Field(description="Refuse what would otherwise be changed.")] = (
        None
    )

    def asked(self, accepted: Format | None) -> Asked:
        """
        Args:
            accepted: the format that the Accept header asks for.

        Raises:
            InvalidRequest: `output_format` is another.
        """
        second = "has no effect, since the size has been given already"
        reasons = {
            "steps": "has no effect beside num_inference_steps",
            "guidance": "has no effect beside guidance_scale",
            "resolution": second,
            "aspect_ratio": second,
            "output_quality": NO_LOSS,
            "response_format": "has no effect, since Accept asks for the picture itself",
            "scheduler": "the sampler is Euler with trailing timesteps, which the model needs",
            "model": "this server has one model",
        }
        format = self.output_format or accepted or "jpeg"
        if accepted and format != accepted:
            raise InvalidRequest(
                f"output_format: {format} is not the image/{accepted} of the Accept header.",
                field="output_format",
            )
        ignored = {
            **self.beside(*STEPS),
            **self.beside(*GUIDANCE),
            **self._second,
            "output_quality": self.output_quality if format == "png" else None,
            "response_format": self.response_format if accepted else None,
            **self.unknown,
        }
        steps_name, steps = self.first(*STEPS)
        guidance_name, guidance = self.first(*GUIDANCE)
        size_name, size = self.first("width", "height", "resolution")
        return Asked(
            self.prompt,
            self.negative_prompt,
            steps,
            guidance,
            self.seed,
            self._size(),
            shape_only=size is None,
            count=self.num_images or 1,
            output=Output(format, self.output_quality or 90, self.template or ""),
            strict=bool(self.strict),
            others={name: getattr(self, name) for name in OPTIONAL},
            names={
                "num_inference_steps": steps_name,
                "guidance_scale": guidance_name,
                "size": size_name,
                "count": "num_images",
            },
            warnings=no_effect(ignored, reasons),
        )

    def _size(self) -> tuple[int, int] | None:
        """Width and height in pixels, however they were given."""
        if self.width is not None or self.height is not None:
            return self.width or self.height or 0, self.height or self.width or 0
        if self.resolution is not None:
            return parse_resolution(self.resolution)
        return None if self.aspect_ratio is None else parse_aspect_ratio(self.aspect_ratio)

    @property
    def _second(self) -> dict[str, Any]:
        """What says of the size what something before it has said already."""
        given = {
            name: value
            for name in ("resolution", "aspect_ratio")
            if (value := getattr(self, name)) is not None
        }
        sides = self.width is not None or self.height is not None
        return given if sides else dict(list(given.items())[1:])
