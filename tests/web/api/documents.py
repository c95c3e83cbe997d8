"""The examples of docs/api, which tests run as they stand but for the address."""

from __future__ import annotations

from typing import Any

from ...documents import examples

WRITTEN = "http://127.0.0.1:7860"


def run_example(name: str, url: str, place: int = 0) -> dict[str, Any]:
    """Runs a Python example of `docs/api/<name>.md` against a server; returns its variables."""
    source = examples(f"api/{name}.md", "python")[place]
    assert WRITTEN in source
    variables: dict[str, Any] = {}
    exec(compile(source.replace(WRITTEN, url), f"{name}.md", "exec"), variables)  # noqa: S102
    return variables
