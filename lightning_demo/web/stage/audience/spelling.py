"""One spelling for all that looks alike: how words are compared, whoever disguises them.

* width, case, fonts of mathematics, circles and squares around letters: as the plain letter;
* accents are left out, and so is what cannot be seen;
* Cyrillic and Greek letters that look like Latin ones are these;
* digits and signs that stand for letters ("$h1t") are these, in words that have other letters.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from functools import partial

_PAIRS = (
    "аaвbеeкkмmнhоoрpсcтtуyхxіiјjѕsԁdԛqԝwүyһhӏlьbєeғfқkӓa"
    "αaβbεeιiκkνvοoρpτtυuχxηnωwϲcϳj"
    "ıiłløođdħhŧtþpƒfɡgɑaɩiʟlʀrɪiɴnʏyʜhɢgʙbᴀaᴄcᴅdᴇeᴊjᴋkᴍmᴏoᴘpᴛtᴜuᴠvᴡwᴢzꜱsꜰf"
    "սuօoոnհhکكیيىي"
)
_ALIKE = str.maketrans(dict(zip(_PAIRS[::2], _PAIRS[1::2], strict=True)) | {"æ": "ae", "œ": "oe"})
_LEET = "04578936@$€£+", "oastbgeeaselt"
_ONE = "1!|¡"  # reads as an i or as an l
_TABLES = tuple(str.maketrans(_LEET[0] + _ONE, _LEET[1] + one * len(_ONE)) for one in "il")
_EDGES = "!?.,;:|+¡¿()[]{}<>\"'’…"
_CODED = re.compile(r"\S*[0-9@$€£+!|¡]\S*")
_SQUARED = (*range(0x1F130, 0x1F14A), *range(0x1F150, 0x1F16A), *range(0x1F170, 0x1F18A))
_IN_BOXES = {code: "abcdefghijklmnopqrstuvwxyz"[at % 26] for at, code in enumerate(_SQUARED)}
_UNSEEN = frozenset("\u0640\u115f\u1160\u3164\uffa0\u2800")  # and yet letters to Unicode
_KEPT_MARKS = (0, 8, 9)  # combining classes of marks that are parts of letters in India and Japan


def spelling(text: str) -> str:
    """The text in the one spelling; signs and spaces stay."""
    plain = unicodedata.normalize("NFKC", text.translate(_IN_BOXES)).casefold()
    bare = "".join(c for c in unicodedata.normalize("NFD", plain) if not _goes(c))
    return unicodedata.normalize("NFC", bare).translate(_ALIKE)


def readings(text: str) -> Iterator[str]:
    """The spelling of a text, and what it says if digits and signs are letters.

    A 1 may be an i or an l, and a sign at the end of a word may also be only that.
    """
    plain = spelling(text)
    found = {plain}
    if _CODED.search(plain):
        for table in _TABLES:
            for edges in ("", _EDGES):
                read = partial(_letters, table=table, edges=edges)
                found.add(_CODED.sub(read, plain))
    yield from found


def _letters(match: re.Match[str], table: Mapping[int, str | int | None], edges: str) -> str:
    """A word with its digits read as letters; a number is none."""
    word = match[0].strip(edges) if edges else match[0]
    return word.translate(table) if any(c.isalpha() for c in word) else word


def _goes(letter: str) -> bool:
    """Whether a character is left out: an accent, or what is not seen."""
    kind = unicodedata.category(letter)
    if kind in ("Mn", "Mc"):
        return unicodedata.combining(letter) not in _KEPT_MARKS or ord(letter) < 0x900
    return kind in ("Me", "Cf") or letter in _UNSEEN or (kind == "Cc" and not letter.isspace())
