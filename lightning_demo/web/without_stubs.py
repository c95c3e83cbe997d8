"""Gradio without its stub files, which are for editors and a third of the wait for the page."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def without_stubs() -> Iterator[None]:
    """Gradio's components, made meanwhile, write no `.pyi` file beside their source.

    Gradio parses the source of each of its 80 components for that whenever it is imported, though
    the files came with it: 1.3 s of a core. It leaves out a class that has no file, as `inspect`
    says of one by an OSError; there is no option. Other threads may import something else.
    """
    getfile = inspect.getfile

    def found(object: Any) -> str:
        if isinstance(object, type) and object.__module__.startswith("gradio."):
            raise OSError("its source is of no interest")
        return getfile(object)

    inspect.getfile = found
    try:
        yield
    finally:
        inspect.getfile = getfile
