"""Bodies that are none and fields that cannot be: each vendor refuses them in its own shape."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from ..conftest import Running


@dataclass(frozen=True)
class Vendor:
    """A route that paints, a body that it takes, and where its errors have their words."""

    path: str
    body: dict[str, Any]
    words: Callable[[Any], str]
    unprocessable: int = 422  # its status for a field that is not as it must be
    inside: str = ""  # the name of the object that holds what is asked for

    def asking(self, **fields: Any) -> dict[str, Any]:
        """Its body with other fields as well."""
        if self.inside:
            return {**self.body, self.inside: {**self.body.get(self.inside, {}), **fields}}
        return {**self.body, **fields}


PROMPT = {"prompt": "a cat"}
VENDORS = {
    "openai": Vendor("/v1/images/generations", PROMPT, lambda c: c["error"]["message"], 400),
    "hugging face": Vendor("/hf", {"inputs": "a cat"}, lambda c: c["error"], inside="parameters"),
    "a1111": Vendor("/sdapi/v1/txt2img", PROMPT, lambda c: c["errors"]),
    "png-info": Vendor("/sdapi/v1/png-info", {"image": ""}, lambda c: c["errors"]),
    "options": Vendor("/sdapi/v1/options", {}, lambda c: c["errors"]),
    "cloudflare": Vendor(
        "/client/v4/accounts/a/ai/run/@cf/bytedance/stable-diffusion-xl-lightning",
        PROMPT,
        lambda c: c["errors"][0]["message"],
        400,
    ),
    "runflow": Vendor(
        "/runflow/v1/models/a/b/runs", {"input": PROMPT}, lambda c: c["message"], inside="input"
    ),
    "synexa": Vendor(
        "/synexa/v1/predictions",
        {"model": "a/b", "input": PROMPT},
        lambda c: c["detail"],
        inside="input",
    ),
}
PAINTERS = {name: each for name, each in VENDORS.items() if name not in ("png-info", "options")}


def every(vendors: dict[str, Vendor]) -> Any:
    return pytest.mark.parametrize("vendor", vendors.values(), ids=list(vendors))


@every(VENDORS)
@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "must be JSON"),
        (b"{", "must be JSON"),
        (b"[" * 100_000, "must be JSON"),
        (b'{"prompt": NaN}', "must be JSON"),
        (b'["a cat"]', "must be a JSON object"),
        (b"null", "must be a JSON object"),
    ],
)
def test_bodies_that_are_none(running: Running, vendor: Vendor, body: bytes, words: str) -> None:
    headers = {"Content-Type": "application/json"}
    answer = httpx.post(running.url + vendor.path, content=body, headers=headers)
    assert answer.status_code == vendor.unprocessable
    assert words in vendor.words(answer.json())


@every(VENDORS)
def test_another_media_type(running: Running, vendor: Vendor) -> None:
    answer = httpx.post(running.url + vendor.path, content=json.dumps(vendor.body))
    assert answer.status_code == 415
    assert "application/json" in vendor.words(answer.json())


@every(PAINTERS)
@pytest.mark.parametrize("value", ["x", -1, [], {}, 10**30, True], ids=str)
@pytest.mark.parametrize("field", ["width", "height"])
def test_sides_that_cannot_be(running: Running, vendor: Vendor, field: str, value: object) -> None:
    body = vendor.asking(**{field: value})
    answer = httpx.post(running.url + vendor.path, json=body)
    assert answer.status_code == vendor.unprocessable
    assert f"{field}: must be a whole number from" in vendor.words(answer.json())


@every(PAINTERS)
def test_a_prompt_with_control_characters(running: Running, vendor: Vendor) -> None:
    text = json.dumps(vendor.body).replace("a cat", "a \\u0000 cat")
    headers = {"Content-Type": "application/json"}
    answer = httpx.post(running.url + vendor.path, content=text, headers=headers)
    assert answer.status_code == vendor.unprocessable
    assert "contains a control character" in vendor.words(answer.json())


@every(PAINTERS)
def test_seeds_that_are_folded(running: Running, vendor: Vendor) -> None:
    body = vendor.asking(seed=2**64 + 7)
    answer = httpx.post(running.url + vendor.path, json=body, timeout=60)
    assert answer.is_success
    told = answer.headers.get("X-Warnings", "") + answer.text
    assert f"{2**64 + 7} became" in told
