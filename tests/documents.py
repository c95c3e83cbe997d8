"""Examples in our documents, which tests run."""

from __future__ import annotations

import re
from pathlib import Path

DOCUMENTS = Path(__file__).parents[1] / "docs"


def examples(document: str, language: str) -> list[str]:
    """The blocks of code of `docs/<document>` in a language, as they stand there."""
    text = (DOCUMENTS / document).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
