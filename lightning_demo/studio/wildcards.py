"""Wildcards: `__animal__` in a prompt becomes a line of the list `animal.txt`.

A picture's seed draws the line, so the same request is the same prompt wherever it is painted. The
form is the one of Stable Diffusion tools; lists may name others, and lines that begin with # are
remarks.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from itertools import count
from pathlib import Path

from ..errors import InvalidRequest, InvalidSetting
from ..paths import is_folder

# Bounded in all its parts: else a prompt could be written that is searched for minutes.
NAME = re.compile(r"__([\w-]{1,64}?(?:/[\w-]{1,64}?){0,4}?)__")
MAX_DRAWS = 100  # of one prompt: lists that name each other would never end
MAX_BYTES = 16 * 2**20  # of one list

Lists = Mapping[str, tuple[str, ...]]


def read_lists(folder: Path) -> Lists:
    """Every `.txt` file in a folder and below it, by its path without the ending.

    Raises:
        InvalidSetting: there is no such folder, or a list that cannot be read.
    """
    if not is_folder(folder):
        raise InvalidSetting(f"wildcards: {folder} is not a folder.")
    lists = {}
    for file in sorted(folder.rglob("*.txt")):
        name = file.relative_to(folder).with_suffix("").as_posix()
        try:
            if file.stat().st_size > MAX_BYTES:
                raise InvalidSetting(f"wildcards: {file} is larger than {MAX_BYTES >> 20} MiB.")
            text = file.read_text(encoding="utf-8-sig")
        except OSError as error:
            raise InvalidSetting(f"wildcards: {file} cannot be read ({error.strerror}).") from None
        except UnicodeDecodeError:
            raise InvalidSetting(f"wildcards: {file} must be UTF-8 text.") from None
        lists[name] = words_of(text)
    return lists


def words_of(text: str) -> tuple[str, ...]:
    """The lines of a list's text that can be drawn."""
    lines = (line.strip() for line in text.splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))


def draw(prompt: str, lists: Lists, seed: int) -> str:
    """The prompt with a line in place of each wildcard.

    Raises:
        InvalidRequest: a list that is not there or is empty, or lists without an end; of field
            `prompt`.
    """
    numbers = count()

    def drawn(found: re.Match[str]) -> str:
        name, number = found[1], next(numbers)
        lines = lists.get(name)
        if not lines:
            what = f"no list {name!r}" if lines is None else f"nothing in the list {name!r}"
            if not lists:
                raise _wrong(f"there is no list {name!r}, for no lists were given.")
            raise _wrong(f"there is {what}; the lists are: {', '.join(sorted(lists))}.")
        if number >= MAX_DRAWS:
            raise _wrong(f"more than {MAX_DRAWS} words are to be drawn from lists.")
        # Neither Python's hashes nor its generator are promised to stay as they are.
        digest = hashlib.sha256(f"{seed} {number} {name}".encode()).digest()
        return lines[int.from_bytes(digest[:8], "big") % len(lines)]

    while NAME.search(prompt):
        prompt = NAME.sub(drawn, prompt)
    return prompt


def _wrong(sentence: str) -> InvalidRequest:
    return InvalidRequest(f"prompt: {sentence}", field="prompt")
