"""How the APIs are asked over plain http, and where the documents' examples are."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[3]
DOCUMENTED = "http://127.0.0.1:7860"  # the server's address in the examples

# Over plain http; reading certificates would take longest of all.
fetch = partial(httpx.get, verify=False)
post = partial(httpx.post, verify=False)
connect = partial(httpx.Client, verify=False, timeout=30)


def example(page: str, url: str, language: str = "python") -> str:
    """The first example of docs/api/`page`.md, for the server at `url`."""
    text = (ROOT / "docs" / "api" / f"{page}.md").read_text(encoding="utf-8")
    found = re.search(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert found
    assert DOCUMENTED in found[1]
    return found[1].replace(DOCUMENTED, url)
