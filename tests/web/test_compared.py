"""Compare with another server: its pictures come through this one, and so do its refusals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import httpx
import pytest

from lightning_demo.errors import InvalidSetting
from lightning_demo.settings import Settings

from .conftest import Running
from .fakes import STATUS, FakeEngine

PICTURE = {"prompt": "a cat", "seed": 7}


def test_pictures_and_refusals_are_passed_on(start: Callable[..., Running]) -> None:
    other = start(FakeEngine(status=replace(STATUS, title="Miniature LoRA")))
    here = start(compare_with=other.url, auth="ada:secret")
    assert httpx.get(f"{here.url}/compared").status_code == 401
    with httpx.Client(base_url=here.url) as client:
        client.post("/login", data={"username": "ada", "password": "secret"})
        assert client.get("/compared").json() == {"titles": [STATUS.title, "Miniature LoRA"]}
        answer = client.post("/compared/picture", json=PICTURE)
        assert answer.status_code == 200 and answer.headers["Content-Type"] == "image/jpeg"
        assert "total;dur=" in answer.headers["Server-Timing"]
        (work,) = other.engine.works
        assert work.yields and work.request.prompt == "a cat" and here.engine.works == []
        refused = client.post("/compared/picture", json={**PICTURE, "num_inference_steps": 3})
        assert refused.status_code == 422
        assert refused.json()["detail"].startswith("num_inference_steps: must be one of")
        other.server.stop()
        for gone in (client.get("/compared"), client.post("/compared/picture", json=PICTURE)):
            assert gone.status_code == 503
            assert gone.json()["detail"] == "The server to compare with does not answer."


def test_there_is_none_unless_it_is_named(running: Running) -> None:
    assert httpx.post(f"{running.url}/compared/picture", json=PICTURE).status_code in (404, 405)
    for url in ("example.org", "ftp://example.org", "http://example.org/?a=b"):
        with pytest.raises(InvalidSetting, match="compare_with"):
            Settings(compare_with=url)
