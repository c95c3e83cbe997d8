"""What browsers are told that pages may run. That the pages work so: tests/browser."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable

import httpx

from lightning_demo.settings import ASSETS

from .conftest import Running


def policy_of(answer: httpx.Response) -> dict[str, list[str]]:
    """Sources by directive."""
    parts = answer.headers["Content-Security-Policy"].split("; ")
    return {name: sources for name, *sources in map(str.split, parts)}


def test_no_script_runs_that_the_server_has_not_written(running: Running) -> None:
    answer = httpx.get(running.url)
    policy = policy_of(answer)
    assert "'unsafe-inline'" not in policy["script-src"]
    scripts = re.findall(r"<script(?![^>]*\ssrc=)[^>]*>(.*?)</script>", answer.text, re.DOTALL)
    assert len(scripts) >= 3
    for script in scripts:
        digest = hashlib.sha256(script.encode()).digest()
        assert f"'sha256-{base64.b64encode(digest).decode()}'" in policy["script-src"]
    assert policy["object-src"] == ["'none'"] and "*" not in answer.headers[
        "content-security-policy"
    ].replace("*.huggingface.co", "")
    foreign = [
        source
        for name, sources in policy.items()
        for source in sources
        if name != "frame-ancestors" and "//" in source and not source.startswith("'")  # a hash
    ]
    assert foreign == [], "nothing comes from elsewhere"


def test_our_own_pages_need_neither_inline_scripts_nor_styles(
    start: Callable[..., Running],
) -> None:
    running = start(stage=True, audience=True, cors_origins="https://example.org")
    for path in ("/stage", "/audience", "/battle", "/web/live.js", "/healthz"):
        answer = httpx.get(running.url + path)
        assert answer.status_code == 200, path
        policy = policy_of(answer)
        for name in ("script-src", "style-src"):
            assert policy[name] == ["'self'"]
        assert policy["default-src"] == ["'none'"]
        assert policy["frame-ancestors"][-1] == "https://example.org"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_no_markup_of_ours_has_scripts_or_styles_in_it() -> None:
    handler = re.compile(r"""<[a-z][^<>]*\s(on[a-z]+|style)\s*=\s*["'{]""", re.IGNORECASE)
    for file in [*(ASSETS / "web").glob("*.html"), *(ASSETS / "web").glob("*.js")]:
        text = file.read_text(encoding="utf-8")
        assert not handler.search(text), file
        assert "javascript:" not in text, file
