"""Fonts for the contact sheet: whichever of this machine's has all the letters of a text.

None is packaged: one with all scripts has tens of megabytes. Pillow's own has Latin ones; others
are looked for where systems keep theirs, by the names under which they come with Windows, macOS and
Linux. Pictographs that no font has are left out of a text; if letters are missing, there is no
text: better than boxes.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

from PIL import ImageFont, features

Font: TypeAlias = "ImageFont.ImageFont | ImageFont.FreeTypeFont"

FOLDERS = (
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "~/.fonts",
    "~/.local/share/fonts",
    "/System/Library/Fonts",
    "/Library/Fonts",
    "~/Library/Fonts",
    "C:/Windows/Fonts",
)
# Beginnings of files' names, those of many scripts first.
NAMES = (
    *("notosans-regular", "dejavusans.", "segoeui.", "arialuni", "arial unicode", "arial."),
    *("notosanscjk-regular", "notosanscjk-vf", "droidsansfallback", "wqy", "sourcehansans"),
    *("msyh", "malgun.", "yugothr", "yugothm", "meiryo", "pingfang", "hiragino", "applesdgothic"),
    *("notosansarabic-regular", "notonaskharabic-regular", "notosanshebrew-regular", "geezapro"),
    *("notosansdevanagari-regular", "nirmala.", "kohinoor", "lohit", "notosansbengali-regular"),
    *("notosansthai-regular", "leelawui.", "thonburi", "loma.", "notosanstamil-regular"),
    *("notosansgeorgian-regular", "notosansarmenian-regular", "notosansethiopic-regular"),
    *("freesans.", "unifont", "symbola", "notosanssymbols2-regular", "seguisym"),
)
KINDS = {".ttf", ".otf", ".ttc"}
MISSING = "\U0010fffd"  # private: no font has it, so this is how one draws what it lacks
UNSEEN = frozenset("\u200b\u200c\u200d\ufe0e\ufe0f")


def drawable(text: str, size: int) -> tuple[str, Font] | None:
    """What of a text can be drawn, and with which font; None: its letters are in none here."""
    text = unicodedata.normalize("NFC", text)
    wanted = frozenset(text) - UNSEEN - {" "}
    shapes = features.check("raqm")  # letters that join, and those that run to the left
    if not shapes and any(0x590 <= ord(each) < 0x2E80 and each.isalpha() for each in wanted):
        return None
    best: tuple[int, frozenset[str], Font] | None = None
    for font in fonts(size):
        lacks = frozenset(each for each in wanted if not has(font, each))
        if any(unicodedata.category(each)[0] in "LMN" for each in lacks):
            continue
        if best is None or len(lacks) < best[0]:
            best = len(lacks), lacks, font
        if not lacks:
            break
    if best is None:
        return None
    drop = best[1] | (UNSEEN if best[1] or not shapes else frozenset())
    return " ".join("".join(each for each in text if each not in drop).split()), best[2]


@lru_cache(20_000)
def has(font: Font, letter: str) -> bool:
    """Whether a font has a letter, and does not draw a box for it."""
    return _drawn(font, letter) != _drawn(font, MISSING)


@lru_cache(4)
def fonts(size: int) -> tuple[Font, ...]:
    """Pillow's own font, and those that this machine has, at a size in px."""
    found: list[Font] = [ImageFont.load_default(size)]
    for path in _files():
        try:
            found.append(ImageFont.truetype(str(path), size))
        except OSError:  # bitmaps, or what is broken
            continue
    return tuple(found)


def _files() -> Iterator[Path]:
    """Fonts of these names, in their order."""
    there: dict[str, Path] = {}
    for folder in FOLDERS:
        if sys.platform != "win32" and folder.startswith("C:"):
            continue
        for path in sorted(Path(folder).expanduser().rglob("*")):
            if path.suffix.lower() in KINDS:
                there.setdefault(path.name.lower(), path)
    for name in NAMES:
        yield from (path for known, path in there.items() if known.startswith(name))


@lru_cache(20_000)
def _drawn(font: Font, letter: str) -> tuple[object, bytes]:
    mask = font.getmask(letter)
    return mask.size, bytes(mask)
