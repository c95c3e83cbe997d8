"""Code that people have published for the hosts runs here with only the address changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fal_client
import httpx
import pytest
from PIL import Image

from tests import published

from ..conftest import Running
from ..fakes import LIMITS

PRODUCTS = ["wireless earbuds in charging case", "minimalist wristwatch with leather strap"]


@pytest.fixture
def code(server: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The functions of the published script; it sets a key itself, which is any here."""
    monkeypatch.setenv("REPLICATE_BASE_URL", server.url)
    monkeypatch.setenv("REPLICATE_API_TOKEN", "any")
    monkeypatch.setattr(fal_client, "api_key", "", raising=False)  # which it sets; nobody reads it
    monkeypatch.chdir(tmp_path)
    variables: dict[str, Any] = {"__name__": "published"}
    exec(published.CLOUD, variables)  # noqa: S102
    return variables


def test_replicate_one_by_one_and_in_a_batch(
    server: Running, code: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    path = code["generate_image_replicate"]("a modern coffee shop", num_steps=4)
    with Image.open(path) as picture:
        assert (picture.format, picture.size) == ("PNG", LIMITS.sizes[0])
    results = code["batch_generate_products"](PRODUCTS, steps=2)
    assert [result["success"] for result in results] == [True, True]
    asked = server.engine.requests[-2:]
    assert [request.num_inference_steps for request in asked] == [2, 2]
    assert [request.prompt.partition(",")[0] for request in asked] == PRODUCTS
    assert "Batch complete: 2/2 successful" in capsys.readouterr().out


def test_a_sweep(server: Running, code: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    exec(published.corrected(published.SWEEP), code)  # noqa: S102
    asked = [request.prompt for request in server.engine.requests[-4:]]
    assert asked == [
        f"{subject}, {style}, professional photography"
        for subject in ("modern office interior", "minimalist product design")
        for style in ("bright daylight", "moody lighting")
    ]
    told = capsys.readouterr().out
    assert told.count("Image downloaded to:") == told.count("Generated in") == 4


def test_a_published_configuration_is_a_question(ask: httpx.Client) -> None:
    code: dict[str, Any] = {}
    exec(published.CONFIGURATION, code)  # noqa: S102
    answer = ask.post("/v1/pictures", json={"prompt": "a lighthouse", **code["config"]})
    made = answer.raise_for_status().json()
    assert (made["num_inference_steps"], made["guidance_scale"]) == (4, 0)
    told = {warning.partition(":")[0] for warning in made["warnings"]}
    assert told == {"model", "scheduler", "resolution"}


@pytest.mark.parametrize("prompt", published.PROMPTS)
def test_published_prompts(ask: httpx.Client, prompt: str) -> None:
    made = ask.post("/v1/pictures", json={"prompt": prompt}).raise_for_status().json()
    assert (made["prompt"], made["warnings"]) == (prompt, [])
