"""What a stranger has typed, as it may stand on a wall: one line, no tricks, bounded."""

from __future__ import annotations

import unicodedata

NAME_CHARACTERS = 24
PROMPT_CHARACTERS = 300
MARKS = 3  # on one letter: Hebrew and Vietnamese need as many; "zalgo" has dozens
# Of the invisible characters those that writing needs: joiners of Persian, Hindi and emoji.
JOINERS = "\u200c\u200d"
TAGS = range(0xE0020, 0xE0080)  # the flags of England, Scotland and Wales are spelt with these


def clean(text: str, most: int) -> str:
    """The text on one line, in its usual spelling, without what cannot be seen or disturbs.

    Control characters, those that turn the direction of what follows, private and unassigned ones
    are left out, and so are accents beyond `MARKS` on one letter.

    Args:
        most: characters; the rest is cut off.
    """
    found: list[str] = []
    marks = 0
    for letter in unicodedata.normalize("NFC", text[: most * 16]):
        kind = unicodedata.category(letter)
        if letter.isspace():
            letter, kind = " ", "Zs"
        if kind == "Me" or (kind[0] == "C" and not _needed(letter)):
            continue
        marks = marks + 1 if kind == "Mn" else 0
        if marks <= MARKS:
            found.append(letter)
    return " ".join("".join(found).split())[:most].rstrip()


def visible(text: str) -> bool:
    """Whether there is anything to be seen of it."""
    return any(unicodedata.category(letter)[0] in "LNPS" for letter in text)


def _needed(letter: str) -> bool:
    return letter in JOINERS or ord(letter) in TAGS
