"""Every API that paints: where, by which body, and where its answers have their words."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
from pydantic import BaseModel

from lightning_demo.web.api import (
    a1111,
    cloudflare,
    cog,
    fal,
    fal_queue,
    hugging_face,
    native_question,
    openai_question,
    prediction,
    replicate,
    replicate_model,
    runflow,
    synexa,
)


@dataclass(frozen=True)
class Vendor:
    """A route that takes a body, a body that it takes, and where its errors have their words."""

    path: str
    body: dict[str, Any]
    words: Callable[[Any], str]
    question: type[BaseModel]  # what reads the body
    unprocessable: int = 422  # its status for a field that is not as it must be
    inside: str = ""  # the name of the object that holds what is asked for
    inner: type[BaseModel] | None = None  # what reads that
    headers: tuple[tuple[str, str], ...] = ()
    later: Callable[[Any], str] | None = None  # where a job's result is found, by its answer

    def asking(self, **fields: Any) -> dict[str, Any]:
        """Its body with other fields as well."""
        if self.inside:
            return {**self.body, self.inside: {**self.body.get(self.inside, {}), **fields}}
        return {**self.body, **fields}


def words_of_fal(content: Any) -> str:
    detail = content["detail"]
    return detail if isinstance(detail, str) else detail[0]["msg"]


def words_of_cog(content: Any) -> str:
    return content["error"] if "error" in content else content["detail"][0]["msg"]


PROMPT = {"prompt": "a cat"}
JSON = {"Content-Type": "application/json"}
INPUT = {"inside": "input", "inner": prediction.PredictionInput}
VERSION = replicate_model.VERSIONS[0]
MODEL = f"/v1/models/{replicate_model.MODEL}/predictions"

PAINTERS = {
    "native": Vendor(
        "/v1/pictures", PROMPT, lambda c: c["detail"], native_question.PictureQuestion
    ),
    "replicate": Vendor(
        "/v1/predictions",
        {"version": VERSION, "input": PROMPT},
        lambda c: c["detail"],
        replicate.ReplicateQuestion,
        **INPUT,
        later=lambda c: c["urls"]["get"],
    ),
    "replicate's model": Vendor(
        MODEL,
        {"input": PROMPT},
        lambda c: c["detail"],
        replicate.ReplicateQuestion,
        **INPUT,
        later=lambda c: c["urls"]["get"],
    ),
    "cog": Vendor("/predictions", {"input": PROMPT}, words_of_cog, cog.CogQuestion, **INPUT),
    "fal run": Vendor(fal.RUN, PROMPT, words_of_fal, fal.FalQuestion),
    "fal stream": Vendor(f"{fal.RUN}/stream", PROMPT, words_of_fal, fal.FalQuestion),
    "fal queue": Vendor(
        fal_queue.QUEUE,
        PROMPT,
        words_of_fal,
        fal.FalQuestion,
        later=lambda c: c["response_url"],
    ),
    "fal proxy": Vendor(
        "/fal/proxy",
        PROMPT,
        words_of_fal,
        fal.FalQuestion,
        headers=(("x-fal-target-url", f"https://fal.run/{fal.APP}"),),
    ),
    "openai": Vendor(
        "/v1/images/generations",
        PROMPT,
        lambda c: c["error"]["message"],
        openai_question.GenerationQuestion,
        400,
    ),
    "hugging face": Vendor(
        "/hf",
        {"inputs": "a cat"},
        lambda c: c["error"],
        hugging_face.TextToImageQuestion,
        inside="parameters",
        inner=hugging_face.Parameters,
    ),
    "a1111": Vendor("/sdapi/v1/txt2img", PROMPT, lambda c: c["errors"], a1111.TextToImageQuestion),
    "cloudflare": Vendor(
        f"/client/v4/accounts/a/ai/run/{cloudflare.MODEL}",
        PROMPT,
        lambda c: c["errors"][0]["message"],
        cloudflare.RunQuestion,
        400,
    ),
    "runflow": Vendor(
        "/runflow/v1/models/a/b/runs",
        {"input": PROMPT},
        lambda c: c["message"],
        runflow.RunQuestion,
        inside="input",
        inner=runflow.Inputs,
        later=lambda c: f"/runflow/v1/runs/{c['id']}",
    ),
    "synexa": Vendor(
        "/synexa/v1/predictions",
        {"model": "a/b", "input": PROMPT},
        lambda c: c["detail"],
        synexa.PredictionQuestion,
        inside="input",
        inner=synexa.Inputs,
        later=lambda c: c["urls"]["get"],
    ),
}


def post(ask: httpx.Client, vendor: Vendor, content: Any, **headers: str) -> httpx.Response:
    """What is answered to a body, given as what it holds or, in bytes, as it is."""
    body = content if isinstance(content, bytes) else json.dumps(content)
    return ask.post(vendor.path, content=body, headers={**JSON, **dict(vendor.headers), **headers})
