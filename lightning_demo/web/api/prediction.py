"""What a prediction of SDXL-Lightning takes on Replicate and in Cog, which Replicate runs on.

The fields are those of bytedance/sdxl-lightning-4step; `output_format`, `output_quality` and
`aspect_ratio`, which other models there have, are understood as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Field

from ...errors import InvalidRequest
from ...schemas import MAX_PROMPT_CHARACTERS
from ..callers import Caller
from .aspect import parse_aspect_ratio
from .order import NO_LOSS, Asked, Order, Output, no_effect
from .reading import InvalidFields, Question, validate
from .service import Api
from .webhooks import WebhookEvent

Scheduler = Literal[
    "DDIM",
    "DPMSolverMultistep",
    "HeunDiscrete",
    "KarrasDPM",
    "K_EULER_ANCESTRAL",
    "K_EULER",
    "PNDM",
    "DPM++2MSDE",
]
Text = Annotated[str, Field(max_length=MAX_PROMPT_CHARACTERS)]
Side = Annotated[int, Field(ge=256, le=1280)]


class PredictionInput(Question):
    """The input of a prediction."""

    prompt: Annotated[Text, Field(description="Input prompt")] = (
        "self-portrait of a woman, lightning in the background"
    )
    negative_prompt: Annotated[
        Text, Field(description="Negative prompt; acts with guidance_scale above 1")
    ] = "worst quality, low quality"
    width: Annotated[Side, Field(description="Width in pixels; the nearest size is painted")] = 1024
    height: Annotated[Side, Field(description="Height in pixels; the nearest size is painted")] = (
        1024
    )
    num_outputs: Annotated[int, Field(ge=1, le=4, description="Number of pictures")] = 1
    scheduler: Annotated[
        Scheduler, Field(description="Accepted; K_EULER is what the model needs and gets")
    ] = "K_EULER"
    num_inference_steps: Annotated[
        int, Field(ge=1, le=10, description="Number of denoising steps; 4 for best results")
    ] = 4
    guidance_scale: Annotated[
        float, Field(ge=0, le=50, description="Scale for classifier-free guidance")
    ] = 0
    seed: Annotated[
        int | None, Field(description="Random seed. Leave blank to randomize the seed")
    ] = None
    disable_safety_checker: Annotated[
        bool, Field(description="Whoever runs this server decides")
    ] = False
    output_format: Annotated[
        Literal["webp", "jpg", "jpeg", "png"], Field(description="Format of the pictures")
    ] = "png"
    output_quality: Annotated[int, Field(ge=0, le=100, description="Quality of webp and jpg")] = 90
    aspect_ratio: Annotated[
        Annotated[str, Field(pattern=r"^[1-9]\d{0,3}:[1-9]\d{0,3}$", examples=["16:9"])] | None,
        Field(description="Instead of width and height, e.g. 16:9"),
    ] = None

    def asked(self) -> Asked:
        """The question in our words. What was not said is left to the model that is served."""
        given = self.model_fields_set
        sides = bool(given & {"width", "height"})
        size = (self.width, self.height) if sides else None
        if self.aspect_ratio is not None and not sides:
            size = parse_aspect_ratio(self.aspect_ratio)
        # The default would only be said to have no effect.
        negative = "negative_prompt" in given or self.guidance_scale > 1
        format: Any = self.output_format.replace("jpg", "jpeg")
        return Asked(
            self.prompt,
            self.negative_prompt if negative else None,
            self.num_inference_steps if "num_inference_steps" in given else None,
            self.guidance_scale,
            self.seed,
            size,
            shape_only=not sides,
            count=self.num_outputs,
            output=Output(format, max(1, self.output_quality)),
            names={"size": "width and height", "count": "num_outputs"},
            warnings=[*self._ignored(), *no_effect(self.unknown)],
        )

    def _ignored(self) -> list[str]:
        """Warnings for known fields that change nothing here."""
        given = self.model_fields_set
        warnings = []
        if self.scheduler != "K_EULER":
            warnings.append(
                f"scheduler: {self.scheduler} has no effect; it is K_EULER, with the trailing "
                "timesteps that the model needs."
            )
        if "disable_safety_checker" in given and not self.disable_safety_checker:
            warnings.append(
                "disable_safety_checker: whoever runs this server decides what is checked."
            )
        if "output_quality" in given and self.output_format == "png":
            warnings.append(f"output_quality: {NO_LOSS}.")
        if self.aspect_ratio is not None and given & {"width", "height"}:
            warnings.append("aspect_ratio: has no effect beside width and height.")
        return warnings


class PredictionQuestion(Question):
    """What Replicate's and Cog's bodies have in common."""

    input: dict[str, Any] | None = None
    webhook: Annotated[str, Field(max_length=2_000)] | None = None
    webhook_events_filter: list[WebhookEvent] | None = None

    def ignored(self) -> list[str]:
        """Warnings of what changes nothing here."""
        return no_effect(self.unknown)


def order_of(api: Api, question: PredictionQuestion, caller: Caller) -> Order:
    """The order for the input of a prediction; null there is the default.

    Raises:
        LightningError: naming the field within `input`, or the caller asks for too much.
    """
    given = question.input or {}
    fields = {name: value for name, value in given.items() if value is not None}
    try:
        order = api.place(validate(PredictionInput, fields, strict=True).asked(), caller)
    except InvalidRequest as error:
        raise _within_input(error) from None
    return replace(order, warnings=(*question.ignored(), *order.warnings))


def _within_input(error: InvalidRequest) -> InvalidFields:
    faults: list[Mapping[str, Any]] = [
        {**fault, "loc": ("input", *fault["loc"])} for fault in getattr(error, "faults", ())
    ]
    field = f"input.{error.field}" if error.field else "input"
    return InvalidFields(f"input.{error.message}", field=field, faults=faults)
