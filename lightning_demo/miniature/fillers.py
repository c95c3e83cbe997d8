"""Words of captions that name nothing in the picture: the model learns to read past them."""

from __future__ import annotations


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# Adjectives.
FILLERS: tuple[str, ...] = _words("""
    beautiful lovely nice pretty cute little small big old lonely happy colorful cozy charming
    simple wonderful
""")
OPENINGS: tuple[str, ...] = (
    "a picture of",
    "an illustration of",
    "a painting of",
    "a photo of",
    "a drawing of",
    "an image of",
    "a view of",
    "an artwork of",
)
ENDINGS: tuple[str, ...] = (
    "flat illustration",
    "highly detailed",
    "masterpiece",
    "digital art",
    "vector art",
    "best quality",
    "4k",
    "8k",
    "cinematic lighting",
    "minimal",
)
# What holds sentences together; known to the tokenizer only.
GLUE: tuple[str, ...] = _words("""
    a an the and with of on in at by to next beside near left right background backdrop is
    there stands standing front from its it under above over below behind style as between
    landscape scene sky color colored moon sun clouds stars grey gray brown empty plain place
""")
# Of which words are made that are none.
SYLLABLES: tuple[str, ...] = _words("""
    ba ke lo mi nu ra si to vu za pel dor gri mek
""")
