"""The `inspect` command: the settings inside picture files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from .errors import InvalidRequest
from .studio.picture_info import read_info, request_fields


def inspect_pictures(files: Sequence[str]) -> int:
    """Prints a line of JSON for each file; returns the exit code.

    Raises:
        InvalidRequest: naming a file that cannot be read, or is no picture.
    """
    for file in files:
        try:
            data = Path(file).read_bytes()
        except OSError as error:
            raise InvalidRequest(f"{file}: cannot be read ({error.strerror}).") from None
        settings = request_fields(read_info(data, file))
        print(json.dumps({"file": file, **settings}), flush=True)
    return 0
