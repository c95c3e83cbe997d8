"""The `inspect` command: the settings inside picture files."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ..errors import InvalidRequest


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Prints one line of JSON for each picture: the settings that this program, "
        "AUTOMATIC1111 or ComfyUI has left in it."
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="PNG, JPEG or WebP")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Prints a line of JSON for each file.

    Raises:
        InvalidRequest: naming a file that cannot be read, or is no picture.
    """
    from ..studio.picture_info import read_info, request_fields, template_of

    for file in args.files:
        try:
            data = Path(file).read_bytes()
        except OSError as error:
            raise InvalidRequest(f"{file}: cannot be read ({error.strerror}).") from None
        info = read_info(data, file)
        settings = request_fields(info)
        if template := template_of(info):
            settings["template"] = template
        print(json.dumps({"file": file, **settings}), flush=True)
    return 0
