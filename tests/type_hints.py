"""Type hints of torch's own file format, asked for once.

`torch.export.load` asks for them anew at each of some thousand objects in a file, which is half of
its time, and torch has no switch for it. Only hints of that format's classes are remembered.
"""

from __future__ import annotations

import sys
import typing
from functools import cache
from typing import Any

FORMAT = "torch._export.serde.schema"

_get_type_hints = typing.get_type_hints


@cache
def _of_the_format(kind: type) -> dict[str, Any]:
    return _get_type_hints(kind, globalns=vars(sys.modules[FORMAT]))


def _remembered(thing: Any, *args: Any, **options: Any) -> dict[str, Any]:
    if getattr(thing, "__module__", None) == FORMAT and options.keys() == {"globalns"}:
        return _of_the_format(thing)
    return _get_type_hints(thing, *args, **options)


typing.get_type_hints = _remembered
