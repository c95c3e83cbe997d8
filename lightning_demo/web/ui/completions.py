"""The words that the prompt box completes to."""

from __future__ import annotations

import json

from ...model.weights.model_spec import Vocabulary
from ...settings import ASSETS

COMMON_WORDS = ASSETS / "web" / "common_words.json"


def completions(vocabulary: Vocabulary) -> list[str]:
    """The likeliest first: what a small world knows, or what people mostly ask of a large one."""
    if not vocabulary.groups:
        return json.loads(COMMON_WORDS.read_text(encoding="utf-8"))
    phrases = [phrase for phrases in vocabulary.groups.values() for phrase in phrases]
    texts = [*phrases, *(text.replace(",", "") for text in vocabulary.examples)]
    return list(dict.fromkeys([*phrases, *(word for text in texts for word in text.split())]))
