"""What became of each picture of a batch: one line of JSON as soon as it is known, CSV in the end.

The first line says which list it is and the seed of the batch, so that the same plan can be made
again. A line that a crash has cut short is as if it had never been written.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..errors import InvalidSetting, NotSaved
from ..paths import is_file
from ..schemas import OPTIONAL
from .plan import FIELDS, Picture

JOURNAL = "manifest.jsonl"
TABLE = "manifest.csv"
COLUMNS = ("file", "line", "template", *FIELDS, "seconds", "model", "notes", "error")
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would run (OWASP, CSV injection)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One picture that has been painted, or has not."""

    picture: Picture
    file: str = ""  # inside the folder; empty where there is none
    seconds: float = 0.0
    model: str = ""
    notes: tuple[str, ...] = ()
    error: str = ""

    def as_dict(self) -> dict[str, Any]:
        """A line of the manifest."""
        return {
            "number": self.picture.number,
            "file": self.file,
            "line": self.picture.line,
            "template": self.picture.template,
            **self.picture.request.as_dict(),
            "seconds": round(self.seconds, 3),
            "model": self.model,
            "notes": list(self.notes),
            "error": self.error,
        }


@dataclass(frozen=True, slots=True)
class Origin:
    """Which plan a folder belongs to."""

    sha256: str  # of the list, its lists of words, and the fields and format asked for
    seed: int  # of the batch
    fingerprint: str = ""  # of the weights; empty where they are not known


class Manifest:
    """The manifest of one folder. Used by one thread."""

    def __init__(self, folder: Path) -> None:
        """Reads what is there.

        Raises:
            InvalidSetting: it is not a manifest.
        """
        self._folder = folder
        self._file = folder / JOURNAL
        self.origin: Origin | None = None
        self.lines: dict[int, Mapping[str, Any]] = {}  # the last of each picture, by its number
        if is_file(self._file):
            self._read()

    def begin(self, origin: Origin) -> None:
        """Starts a new manifest, or goes on with the one that is there.

        Raises:
            NotSaved: the folder takes none.
        """
        if self.origin is None:
            self.origin = origin
            replace_file(self._file, _line({"batch": asdict(origin)}))

    def done(self, picture: Picture) -> bool:
        """Whether its file is there, painted by an earlier run."""
        line = self.lines.get(picture.number)
        return bool(line and line["file"] and (self._folder / Path(line["file"]).name).is_file())

    def add(self, outcome: Outcome) -> None:
        """Writes one line, to the disk.

        Raises:
            NotSaved: the disk does not take it.
        """
        line = outcome.as_dict()
        self.lines[outcome.picture.number] = line
        self._append(line)

    def write_table(self) -> None:
        """The same as CSV, in the order of the list.

        Raises:
            NotSaved: the disk does not take it.
        """
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(COLUMNS)
        for _, line in sorted(self.lines.items()):
            writer.writerow(_cell(line.get(name, "")) for name in COLUMNS)
        # Spreadsheets take UTF-8 for something else without its mark.
        replace_file(self._folder / TABLE, b"\xef\xbb\xbf" + text.getvalue().encode())

    def _read(self) -> None:
        lines = self._file.read_bytes().split(b"\n")
        try:
            self.origin = Origin(**json.loads(lines[0])["batch"])
        except (ValueError, KeyError, TypeError):
            raise InvalidSetting(f"out: {self._file} is not the manifest of a batch.") from None
        for line in lines[1:]:
            try:
                content = json.loads(line)
                said = {name: content[name] for name in COLUMNS if name not in OPTIONAL}
                said |= {name: content[name] for name in OPTIONAL if name in content}
                self.lines[int(content["number"])] = said
            except (ValueError, KeyError, TypeError):
                continue  # cut short

    def _append(self, content: Mapping[str, Any]) -> None:
        try:
            with self._file.open("ab+") as file:
                if file.tell():
                    file.seek(-1, os.SEEK_END)
                    if file.read(1) != b"\n":
                        file.write(b"\n")
                file.write(_line(content))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise _not_saved(self._file, error) from None


def replace_file(path: Path, data: bytes) -> None:
    """Writes a file, and its folder, so that nobody ever sees half of it.

    Raises:
        NotSaved: it cannot be written; no part of it stays.
    """
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(data)
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise _not_saved(path, error) from None


def _not_saved(path: Path, error: OSError) -> NotSaved:
    return NotSaved(f"{path} cannot be written ({error.strerror}); --out takes another place.")


def _line(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False).encode() + b"\n"


def _cell(value: Any) -> Any:
    """A value for a spreadsheet: a text that it would run begins with an apostrophe."""
    if isinstance(value, list):
        value = " ".join(value)
    if isinstance(value, str) and value.startswith(FORMULA):
        return f"'{value}"
    return value
