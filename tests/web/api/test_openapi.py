"""The OpenAPI document: what it says is what the server does."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings

from lightning_demo.web.api.openapi import openapi

from ..conftest import Running
from ..fakes import LIMITS

EXAMPLES = settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("name", ["positive", "negative"])
def test_what_fits_the_document_is_answered_and_what_does_not_is_refused(
    server: Running, name: str
) -> None:
    """Schemathesis with all its checks."""
    import schemathesis  # which takes long, and every process that runs tests collects this file

    mode = schemathesis.GenerationMode(name)
    schema = schemathesis.openapi.from_dict(openapi(LIMITS))
    schema.config.update(base_url=server.url)
    statuses = set()
    for found in schema.get_all_operations():
        operation = found.ok()
        if name == "negative" and operation.method == "get":
            continue  # there is nothing that would not fit

        @EXAMPLES
        @given(case=operation.as_strategy(generation_mode=mode))
        def answered(case: schemathesis.Case) -> None:
            answer = case.call()
            statuses.add(answer.status_code)
            case.validate_response(answer)

        answered()
    assert statuses == ({200, 404} if name == "positive" else {422})


def test_the_document_says_all_that_is_answered(ask: httpx.Client) -> None:
    paths = openapi(LIMITS)["paths"]
    assert ask.post("/v1/pictures", json={"prompt": "a cat"}).status_code == 200
    for path in ("/v1/models", "/v1/usage", "/healthz", "/readyz"):
        answer = paths[path]["get"]["responses"]["200"]["content"]["application/json"]
        check(answer["schema"], ask.get(path).json())
    refused = ask.post("/v1/pictures", json={"prompt": ""})
    check(openapi(LIMITS)["components"]["schemas"]["Problem"], refused.json())


def check(schema: dict[str, Any], content: Any) -> None:
    """Nothing else may be there, and nothing be missing but what may."""
    jsonschema.Draft202012Validator(schema).validate(content)
    names = schema.get("properties", {})
    assert schema.get("type") != "object" or set(content) == set(names)
    for name, inner in names.items():
        check(inner, content[name])
    for each in content if schema.get("type") == "array" else ():
        check(schema["items"], each)


def test_the_page_asks_nobody_outside(ask: httpx.Client) -> None:
    page = ask.get("/docs")
    assert page.status_code == 200
    links = re.findall(r'(?:src|href)="([^"]+)"', page.text) + re.findall(
        r"url: '([^']+)'", page.text
    )
    assert links and all("//" not in link for link in links)
    for link in links:
        assert ask.get("/" + link).status_code == 200
    assert json.loads(ask.get("/v1/openapi.json").text)["openapi"] == "3.1.0"
