"""The examples of docs/api, which tests run as they stand."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[3] / "docs" / "api"
WRITTEN = "http://127.0.0.1:7860"


def run_example(name: str, url: str, place: int = 0) -> dict[str, Any]:
    """Runs a Python example of `docs/api/<name>.md` against a server; returns its variables."""
    text = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
    source = re.findall(r"```python\n(.*?)```", text, re.DOTALL)[place]
    assert WRITTEN in source
    variables: dict[str, Any] = {}
    exec(compile(source.replace(WRITTEN, url), f"{name}.md", "exec"), variables)  # noqa: S102
    return variables
