"""The model that Replicate's clients ask for, by its names and versions there."""

from __future__ import annotations

from typing import Any

from ...errors import InvalidRequest
from .cog_schema import COG_VERSION, cog_schema
from .prediction import PredictionInput
from .store import NotFound

MODEL = "bytedance/sdxl-lightning-4step"
NAMES = frozenset({MODEL, "bytedance/sdxl-lightning"})
VERSIONS = (  # that programs ask for by now; here they paint the same
    "5599ed30703defd1d160a25a63321b4dec97101d98b4674bcc56e41f62f35637",
    "6f7a773af6fc3e8de9d5a3c00be77c17308914bf67772726aff83496ba1e3bbe",
    "727e49a643e999d602a896c774a0658ffefea21465756a6ce24b7ea4165eba6a",
    "5f24084160c9089501c1b3545d9be3c27883ae2239b6f412990e82d4a6210f8f",
)
APPEARED = "2024-02-21T00:00:00.000000Z"


def check_model(name: str) -> None:
    """
    Args:
        name: `owner/name`.

    Raises:
        NotFound: it is another model.
    """
    if name.lower() not in NAMES:
        raise NotFound(f"This server has no such model; it has {MODEL}.")


def parse_version(reference: str) -> str:
    """The version that `owner/name:version`, `owner/name` or a version alone means.

    Raises:
        InvalidRequest: there is none.
    """
    model, _, version = reference.rpartition(":")
    if "/" in version:
        model, version = version, VERSIONS[0]
    if model:
        check_model(model)
    if version not in VERSIONS:
        raise InvalidRequest(
            f"version: there is no such version here; the newest of {MODEL} is {VERSIONS[0]}.",
            field="version",
        )
    return version


def described_model(url: str) -> dict[str, Any]:
    """The model.

    Args:
        url: its page.
    """
    owner, _, name = MODEL.partition("/")
    return {
        "url": url,
        "owner": owner,
        "name": name,
        "description": "SDXL-Lightning: text to image in a few steps",
        "visibility": "public",
        "github_url": None,
        "paper_url": "https://arxiv.org/abs/2402.13929",
        "license_url": "https://huggingface.co/ByteDance/SDXL-Lightning",
        "run_count": 0,
        "cover_image_url": None,
        "default_example": None,
        "latest_version": described_version(VERSIONS[0]),
    }


def described_version(version: str) -> dict[str, Any]:
    """A version with the document that says what it takes.

    Raises:
        NotFound: there is none of this name.
    """
    if version not in VERSIONS:
        raise NotFound(f"There is no such version of {MODEL}.")
    return {
        "id": version,
        "created_at": APPEARED,
        "cog_version": COG_VERSION,
        "openapi_schema": cog_schema(PredictionInput),
    }
