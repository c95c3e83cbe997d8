"""The page's batches: a list is checked here, by what checks the command line's; nothing is kept.

The page paints what comes back picture by picture, and keeps how far it is itself.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from ..errors import InvalidRequest
from ..schemas import Limits, random_seed
from ..studio.manifest import COLUMNS as MANIFEST_COLUMNS
from ..studio.plan import COLUMNS, Bounds, Picture, make_plan
from ..studio.run import in_turns
from ..studio.table import Kind, read_table
from ..studio.wildcards import Lists, words_of

# What a browser can keep, and a server checks for anybody; the command line takes more.
MAX_BYTES = 4 * 2**20
MAX_ROWS = 10_000
BOUNDS = Bounds(pictures=10_000, characters=2**23)
MAX_FAULTS = 500  # told; of the others how many there are
MAX_LISTS = 100
MAX_WORDS = 2**20  # characters of all lists of words
MAX_LINE = 2_000  # characters of one of their lines
FORMATS = ("png", "jpeg", "webp")
FIELDS = {"kind", "list", "words", "defaults", "format"}


@dataclass(frozen=True, slots=True)
class BatchList:
    """A list as a page has sent it."""

    kind: Kind
    data: bytes
    words: Lists
    defaults: Mapping[str, Any]  # what rows leave out
    format: str  # of the pictures' files

    @classmethod
    def parse(cls, fields: Mapping[str, Any]) -> BatchList:
        """From untrusted fields.

        Raises:
            InvalidRequest: naming the field at fault.
        """
        for name in fields:
            if name not in FIELDS:
                raise _wrong(name[:40], "there is no such field.")
        kind: Any = fields.get("kind")
        format = fields.get("format", FORMATS[0])
        if kind not in get_args(Kind):
            raise _wrong("kind", f"must be one of {', '.join(get_args(Kind))}.")
        if format not in FORMATS:
            raise _wrong("format", f"must be one of {', '.join(FORMATS)}.")
        defaults = fields.get("defaults", {})
        if not isinstance(defaults, dict):
            raise _wrong("defaults", "must be an object with named fields.")
        return cls(kind, _data(fields.get("list")), _words(fields.get("words")), defaults, format)

    def checked(self, limits: Limits) -> dict[str, Any]:
        """All pictures in the order in which they are best painted, and every fault, as JSON.

        Takes up to seconds.

        Raises:
            InvalidRequest: nothing of it can be painted, or it is too much.
        """
        table = read_table(self.data, self.kind, COLUMNS, MAX_ROWS)
        plan = make_plan(table, limits, self.defaults, random_seed(), self.words, BOUNDS)
        total = len(plan.pictures)

        def told(picture: Picture) -> dict[str, Any]:
            return {
                "number": picture.number,
                "line": picture.line,
                "template": picture.template,
                "file": picture.file(total, self.format),
                "request": picture.request.as_dict(),
            }

        return {
            "pictures": [told(picture) for picture in in_turns(plan.pictures)],
            "bad_rows": len(plan.faults),
            "faults": [
                {"line": fault.line, "reason": fault.reason} for fault in plan.faults[:MAX_FAULTS]
            ],
            "columns": MANIFEST_COLUMNS,  # of the manifest that the page will write
        }


def _data(value: Any) -> bytes:
    """A file's bytes in base64: a text would have been decoded, and it may not be UTF-8."""
    if not isinstance(value, str):
        raise _wrong("list", "must be a file's bytes in base64.")
    try:
        data = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise _wrong("list", "must be a file's bytes in base64.") from None
    if len(data) > MAX_BYTES:
        raise _wrong("list", f"may have {MAX_BYTES >> 20} MiB here; the command line takes more.")
    return data


def _words(value: Any) -> Lists:
    """Lists for wildcards: texts by their names."""
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise _wrong("words", "must be texts by the names of their lists.")
    if len(value) > MAX_LISTS or sum(map(len, value.values())) > MAX_WORDS:
        raise _wrong("words", f"may be {MAX_LISTS} lists of {MAX_WORDS >> 20} MiB in all.")
    lists = {name: words_of(text) for name, text in value.items()}
    for name, lines in lists.items():
        if any(len(line) > MAX_LINE for line in lines):
            raise _wrong("words", f"a line of {name[:40]!r} is longer than {MAX_LINE} characters.")
    return lists


def _wrong(field: str, sentence: str) -> InvalidRequest:
    return InvalidRequest(f"{field}: {sentence}", field=field)
