"""Lists of pictures as people keep them: lines of text, CSV, or JSON Lines.

Only takes them apart; `plan` says what the values mean.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ..errors import InvalidRequest

MAX_BYTES = 64 * 2**20
MAX_ROWS = 100_000

Kind = Literal["text", "csv", "jsonl"]
KINDS: Mapping[str, Kind] = {
    ".txt": "text",
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
TEXTS = ("prompt", "negative_prompt", "negative", "size", "style", "morph_prompt")
SEPARATORS = (",", ";", "\t")  # Excel writes semicolons where numbers have commas
MARKS = (  # at the beginning of a file, the longer ones first
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
LOOK = 200  # bytes at the beginning; in UTF-16 the names of columns have a zero in every letter


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a list: what it says by name, in whatever form."""

    line: int  # of the file, from 1
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Fault:
    """A line that cannot be painted, and why."""

    line: int
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Table:
    """A list in the order of its lines."""

    rows: tuple[Row, ...]
    faults: tuple[Fault, ...]


def read_table(data: bytes, kind: Kind, columns: Sequence[str], max_rows: int = MAX_ROWS) -> Table:
    """Takes a list apart.

    Args:
        columns: those that a CSV file may name in its first line.
        max_rows: how many it may have.

    Raises:
        InvalidRequest: nothing of it can be read: too large, no text, or no names of columns.
    """
    if len(data) > MAX_BYTES:
        raise InvalidRequest(f"The list is larger than {MAX_BYTES >> 20} MiB.")
    text = _text(data)
    rows: list[Row] = []
    faults: list[Fault] = []
    lines = {"text": _lines, "jsonl": _objects}
    found = _cells(text, columns) if kind == "csv" else lines[kind](text)
    for each in found:
        if isinstance(each, Fault):
            faults.append(each)
        else:
            rows.append(each)
        if len(rows) + len(faults) > max_rows:
            words = f"The list has more than {max_rows:,} rows"
            if max_rows < MAX_ROWS:
                raise InvalidRequest(f"{words}; the command line takes {MAX_ROWS:,}.")
            raise InvalidRequest(f"{words}.")
    return Table(tuple(rows), tuple(faults))


def _text(data: bytes) -> str:
    mark, encoding = next((each for each in MARKS if data.startswith(each[0])), (b"", "utf-8"))
    if not mark and data[:LOOK].count(0) > len(data[:LOOK]) // 4:
        encoding = "utf-16-le" if data[1:2] == b"\0" else "utf-16-be"  # it has lost its mark
    data = data[len(mark) :]
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = 1 + data[: error.start].count(b"\n")
        raise InvalidRequest(
            f"Line {line} of the list is not {encoding.upper()} text; save it as UTF-8."
        ) from None


def _lines(text: str) -> Iterator[Row | Fault]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            yield Row(number, {"prompt": line.strip()})


def _objects(text: str) -> Iterator[Row | Fault]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            content = json.loads(line)
        except (ValueError, RecursionError):
            yield Fault(number, "is not JSON.")
            continue
        if isinstance(content, str):
            content = {"prompt": content}
        if isinstance(content, dict):
            yield Row(number, {key: value for key, value in content.items() if value is not None})
        else:
            yield Fault(number, "must be an object with named fields, or a text.")


def _cells(text: str, columns: Sequence[str]) -> Iterator[Row | Fault]:
    separator = max(SEPARATORS, key=text.partition("\n")[0].count)
    point = "," if separator != "," else "."
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        names = [name.strip().lower() for name in next(reader, [])]
        _check_names(names, columns)
        before = reader.line_num
        for cells in reader:
            line, before = before + 1, reader.line_num  # a cell may go over several lines
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) > len(names):
                yield Fault(line, f"has {len(cells)} cells; the first line names {len(names)}.")
                continue
            said = zip(names, cells, strict=False)
            yield Row(
                line, {name: _value(name, cell, point) for name, cell in said if cell.strip()}
            )
    except csv.Error as error:
        yield Fault(max(1, reader.line_num), f"is not CSV ({error}); nothing after it is read.")


def _check_names(names: Sequence[str], columns: Sequence[str]) -> None:
    known = f"the columns are: {', '.join(columns)}"
    if "prompt" not in names:
        raise InvalidRequest(f"The first line must name the columns, among them prompt; {known}.")
    for name in names:
        if name not in columns:
            raise InvalidRequest(f"There is no column {name[:40]!r}; {known}.")
        if names.count(name) > 1:
            raise InvalidRequest(f"There are two columns {name!r}.")


def _value(name: str, cell: str, point: str) -> str | int | float:
    """A cell's number, where its column has numbers; what is none is refused later, by name.

    Args:
        point: what may stand for the decimal point.
    """
    if name in TEXTS:
        return cell
    for kind in (int, float):
        try:
            return kind(cell.replace(point, "."))
        except ValueError:
            continue
    return cell
