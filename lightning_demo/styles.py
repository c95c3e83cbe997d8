"""Files of styles: what Stable Diffusion tools exchange as styles.csv, or as a JSON list.

A CSV file names its columns first: name, prompt, and perhaps negative_prompt (AUTOMATIC1111's). A
JSON file is a list of objects with the same names (Fooocus, the SDXL style selector). What begins
with # in a CSV file is a remark.
"""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from .errors import InvalidSetting
from .schemas import Style

MAX_STYLES = 500
MAX_BYTES = 2**20
MAX_NAME = 60  # characters
MAX_TEXT = 2_000  # characters of each prompt; no model reads more
COLUMNS = ("name", "prompt", "negative_prompt")

Entry = tuple[str, dict[str, Any]]  # where it stands, for errors, and what it says


@cache
def read_styles(file: Path) -> tuple[Style, ...]:
    """The styles of a file, in its order.

    Raises:
        InvalidSetting: saying which line, or which entry of a JSON list, is at fault.
    """
    text = _text(file)
    entries = _json(file, text) if file.suffix.lower() == ".json" else _csv(file, text)
    styles: list[Style] = []
    places: dict[str, str] = {}
    for place, said in entries:
        style = _style(file, place, said)
        if not (style.prompt or style.negative_prompt):
            continue  # AUTOMATIC1111's file begins with one named None, others have headings
        before = places.setdefault(style.name.casefold(), place)
        if before != place:
            raise _wrong(file, f"{place}: there is a style {style.name!r} at {before} already.")
        styles.append(style)
        if len(styles) > MAX_STYLES:
            raise _wrong(file, f"{place}: more than {MAX_STYLES} styles.")
    if not styles:
        raise _wrong(file, "there are no styles in it.")
    return tuple(styles)


def _text(file: Path) -> str:
    try:
        data = file.read_bytes()
    except OSError as error:
        raise _wrong(file, f"cannot be read ({error.strerror}).") from None
    if len(data) > MAX_BYTES:
        raise _wrong(file, f"is larger than {MAX_BYTES >> 20} MiB.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = 1 + data[: error.start].count(b"\n")
        raise _wrong(file, f"line {line}: is not UTF-8 text.") from None


def _csv(file: Path, text: str) -> Iterator[Entry]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    names: list[str] = []
    line = 1
    try:
        for cells in reader:
            place, line = f"line {line}", reader.line_num + 1  # a cell may go over several
            if not any(cell.strip() for cell in cells) or cells[0].lstrip().startswith("#"):
                continue
            if not names:
                names = [cell.strip().lower() for cell in cells]
                if not {"name", "prompt"} <= set(names) <= set(COLUMNS) or len(names) > 3:
                    raise _wrong(file, f"{place}: must name the columns: {', '.join(COLUMNS)}.")
                continue
            if len(cells) > len(names):
                raise _wrong(
                    file,
                    f"{place}: has {len(cells)} cells for {len(names)} columns; texts with commas "
                    'stand in quotes (").',
                )
            yield place, dict(zip(names, cells, strict=False))
    except csv.Error as error:
        raise _wrong(file, f"line {max(1, reader.line_num)}: is not CSV ({error}).") from None


def _json(file: Path, text: str) -> Iterator[Entry]:
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise _wrong(file, f"line {error.lineno}: is not JSON ({error.msg}).") from None
    except RecursionError:
        raise _wrong(file, "is not JSON that could be read.") from None
    if not isinstance(content, list):
        raise _wrong(file, "must be a list of styles.")
    for number, said in enumerate(content, 1):
        if not isinstance(said, dict):
            raise _wrong(file, f"entry {number}: must be an object with a name and a prompt.")
        yield f"entry {number}", said


def _style(file: Path, place: str, said: dict[str, Any]) -> Style:
    texts = []
    for column in COLUMNS:
        value = said.get(column) or ""
        if not isinstance(value, str):
            raise _wrong(file, f"{place}: {column} must be text.")
        value = " ".join(value.split())
        most = MAX_NAME if column == "name" else MAX_TEXT
        if len(value) > most:
            raise _wrong(file, f"{place}: {column} is longer than {most:,} characters.")
        if any(unicodedata.category(each) in ("Cc", "Cs") for each in value):
            raise _wrong(file, f"{place}: {column} contains a control character.")
        texts.append(value)
    if not texts[0]:
        raise _wrong(file, f"{place}: has no name.")
    return Style(*texts)


def _wrong(file: Path, sentence: str) -> InvalidSetting:
    return InvalidSetting(f"styles: {file.name}: {sentence}")
