"""Parsers whose options are declared when they are needed: help must not wait for all modules."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any


class LateParser(argparse.ArgumentParser):
    """A parser below another, which declares its options when it is chosen or asked for its help.

    Args:
        declare: adds the options, sets `run`, and may set the description.
        options: argparse's own.
    """

    def __init__(self, declare: Callable[[argparse.ArgumentParser], None], **options: Any) -> None:
        super().__init__(**options)
        self._declare: Callable[[argparse.ArgumentParser], None] | None = declare

    def declare(self) -> None:
        """Adds the options, once."""
        if self._declare is not None:
            declare, self._declare = self._declare, None
            declare(self)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        self.declare()
        return super().parse_known_args(args, namespace)

    def format_help(self) -> str:
        self.declare()
        return super().format_help()
