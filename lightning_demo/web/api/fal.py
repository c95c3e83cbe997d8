"""The words of fal's API: the input and output of `fal-ai/fast-lightning-sdxl`, and errors.

After fal's schema of the model (fal.ai/models/fal-ai/fast-lightning-sdxl) and its pages on errors
(fal.ai/docs/documentation/model-apis). What is done with them is in the files beside.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response

from ...errors import LightningError
from ...schemas import MAX_PROMPT_CHARACTERS, Frame
from ..callers import Caller
from .access import KeyRequired
from .files import Picture, data_uri, encoded, keep, url_of
from .order import MAX_SIDE, MAX_STEPS, Asked, Order, Output, no_effect
from .reading import InvalidFields, Question, read_question
from .service import Api, headers_of

APP = "fal-ai/fast-lightning-sdxl"
RUN = f"/fal/run/{APP}"
REQUEST_ID = "X-Fal-Request-Id"

SIZES = {  # px; the names' own
    "square_hd": (1024, 1024),
    "square": (512, 512),
    "portrait_4_3": (768, 1024),
    "portrait_16_9": (576, 1024),
    "landscape_4_3": (1024, 768),
    "landscape_16_9": (1024, 576),
}

# fal's names for what is not the fault of a field, by HTTP status.
ERROR_TYPES = {
    499: "client_cancelled",
    500: "internal_error",
    503: "runner_scheduling_failure",
    504: "request_timeout",
}

Side = Annotated[int, Field(ge=1, le=MAX_SIDE)]
Steps = Literal["1", "2", "4", "8"] | Annotated[int, Field(ge=1, le=MAX_STEPS)]
Text = Annotated[str, Field(max_length=MAX_PROMPT_CHARACTERS)]
SizeName = Literal[
    "square_hd", "square", "portrait_4_3", "portrait_16_9", "landscape_4_3", "landscape_16_9"
]


class ImageSize(Question):
    """A size in pixels."""

    width: Side = 512
    height: Side = 512


class Embedding(Question):
    """Textual inversion, which there is none of here; its path is not followed."""

    path: str
    tokens: list[str] = ["<s0>", "<s1>"]


class FalQuestion(Question):
    """The input of `fal-ai/fast-lightning-sdxl`. Null is as good as absent."""

    prompt: Text
    image_size: ImageSize | SizeName = "square_hd"
    num_inference_steps: Steps = "4"
    seed: int | None = None
    num_images: Annotated[int, Field(ge=1, le=8)] = 1
    format: Literal["jpeg", "png"] = "jpeg"
    sync_mode: bool = False
    enable_safety_checker: bool = True
    safety_checker_version: Literal["v1", "v2"] = "v1"
    expand_prompt: bool = False
    embeddings: list[Embedding] = []
    request_id: Annotated[str, Field(max_length=1_000)] = ""
    # Not in fal's schema, but many send them.
    negative_prompt: Text = ""
    guidance_scale: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, fields: Any) -> Any:
        if isinstance(fields, Mapping):
            return {name: value for name, value in fields.items() if value is not None}
        return fields

    def asked(self, warnings: Sequence[str] = ()) -> Asked:
        """The question in our words.

        Args:
            warnings: of what came beside it.
        """
        given = self.model_fields_set
        size = None
        if "image_size" in given:
            named = self.image_size
            size = SIZES[named] if isinstance(named, str) else (named.width, named.height)
        return Asked(
            self.prompt,
            self.negative_prompt or None,
            int(self.num_inference_steps) if "num_inference_steps" in given else None,
            self.guidance_scale,
            self.seed,
            size,
            count=self.num_images,
            output=Output(self.format),
            names={"size": "image_size", "count": "num_images"},
            warnings=[*warnings, *self._ignored()],
        )

    def _ignored(self) -> list[str]:
        """Warnings of what changes nothing here."""
        only_text = "has no effect: this is text to image only"
        checker = "has no effect: whoever runs this server decides whether pictures are checked"
        reasons = {
            "enable_safety_checker": checker,
            "safety_checker_version": checker,
            "expand_prompt": "has no effect: the prompt is painted as it is",
            "embeddings": "have no effect: there are none here",
            **dict.fromkeys(("image_url", "mask_url", "strength"), only_text),
        }
        given = {name: getattr(self, name) for name in reasons if name in self.model_fields_set}
        asked_for = {name: value for name, value in given.items() if value}  # false is as it is
        size = {} if isinstance(self.image_size, str) else self.image_size.unknown
        nested = {f"image_size.{name}": value for name, value in size.items()}
        return no_effect({**asked_for, **nested, **self.unknown}, reasons)


def as_fal(error: LightningError) -> Response:
    """An error as fal answers it: a list of fields at fault with 422, else a sentence."""
    content: dict[str, Any] = {"detail": detail_of(error)}
    headers = headers_of(error)
    if kind := ERROR_TYPES.get(error.status):
        content["error_type"] = headers["X-Fal-Error-Type"] = kind
    if isinstance(error, KeyRequired):
        headers["WWW-Authenticate"] = "Key"
    return JSONResponse(content, error.status, headers)


def detail_of(error: LightningError) -> str | list[dict[str, Any]]:
    """What an error's `detail` holds."""
    if error.status != 422:
        return error.message
    if isinstance(error, InvalidFields):
        # The first sentence stands alone in many logs, so it names its field.
        first, *others = ({**fault, "loc": ["body", *fault["loc"]]} for fault in error.faults)
        return [{**first, "msg": error.message}, *others]
    place = ["body", error.field] if error.field else ["body"]
    return [{"loc": place, "msg": error.message, "type": "value_error"}]


def identified(http: HTTPConnection) -> HTTPConnection:
    """The same with the token of its address as its key: browsers send no header with a socket.

    There are no tokens that are less than a key here.
    """
    token = http.query_params.get("fal_jwt_token")
    if not token or "authorization" in http.headers:
        return http
    key = b"authorization", f"Key {token}".encode("latin-1", "replace")
    return HTTPConnection({**http.scope, "headers": [*http.scope["headers"], key]})


async def read(api: Api, http: Request) -> tuple[FalQuestion, Order, Caller]:
    """A request's question, and what is painted for it.

    Raises:
        LightningError: whoever asks may not, or the question is not as it must be.
    """
    caller = api.admit(identified(http))
    question = await read_question(http, FalQuestion)
    return question, api.place(question.asked(unheeded(http)), caller), caller


def unheeded(http: HTTPConnection) -> list[str]:
    """Warnings of what came with a request beside its body and changes nothing here."""
    reasons = {
        "X-Fal-Request-Timeout": "has no effect: nothing is given up while its client waits",
        "X-Fal-Queue-Priority": "has no effect: the clients of this server take turns",
        "X-Fal-Runner-Hint": "has no effect: there is one runner",
        "X-Fal-Object-Lifecycle": "has no effect: files are kept as --files-hours says",
        "fal_webhook": "has no effect: ask for the status instead",
    }
    given = {name: http.headers.get(name) for name in reasons}
    given["fal_webhook"] = http.query_params.get("fal_webhook")
    if given["X-Fal-Queue-Priority"] == "normal":  # the JavaScript client always says so
        del given["X-Fal-Queue-Priority"]
    return no_effect(given, reasons)


async def result_of(
    api: Api, http: HTTPConnection, question: FalQuestion, order: Order, frames: Sequence[Frame]
) -> dict[str, Any]:
    """What is answered for finished pictures: with addresses, or if `sync_mode` as data URIs."""
    images = []
    for frame in frames:
        if question.sync_mode:
            data, media_type = await encoded(frame, order.output), order.output.media_type
            images.append(described({"url": data_uri(data, media_type)}, media_type, frame.size))
        else:
            images.append(image(http, await keep(api.store, frame, order)))
    return painted_result(images, question, order, frames)


def painted_result(
    images: Sequence[Mapping[str, Any]],
    question: FalQuestion,
    order: Order,
    frames: Sequence[Frame],
) -> dict[str, Any]:
    """The model's output for frames that have just been painted; `images` describe them."""
    return result(
        images,
        order.requests[0].prompt,
        order.seed,
        inference_seconds(frames),
        order.told(frames),
        question.request_id,
        [frame.safety == "blurred" for frame in frames],
    )


def inference_seconds(frames: Iterable[Frame]) -> float:
    """That the slowest of several pictures took beside one another, without its wait in line."""
    return max((0.0, *(frame.seconds for frame in frames)))


def result(
    images: Sequence[Mapping[str, Any]],
    prompt: str,
    seed: int,
    seconds: float,
    warnings: Iterable[str],
    request_id: str,
    flagged: Sequence[bool],
) -> dict[str, Any]:
    """The model's output; `warnings` are ours.

    Args:
        flagged: of each image, whether the safety checker has blurred it.
    """
    content = {
        "images": images,
        "timings": {"inference": round(seconds, 4)},
        "seed": seed,
        "has_nsfw_concepts": list(flagged),
        "prompt": prompt,
        "warnings": list(dict.fromkeys(warnings)),
    }
    return {**content, "request_id": request_id} if request_id else content


def image(http: HTTPConnection, picture: Picture) -> dict[str, Any]:
    """A picture that has been kept, with its address."""
    about = {"url": url_of(http, picture.name), "file_name": picture.name}
    size = picture.width, picture.height
    return described({**about, "file_size": picture.bytes}, picture.media_type, size)


def described(picture: Mapping[str, Any], media_type: str, size: tuple[int, int]) -> dict[str, Any]:
    """An image of a result, wherever its bytes are."""
    width, height = size
    return {**picture, "content_type": media_type, "width": width, "height": height}
