"""The `bench` commands."""

from __future__ import annotations

import argparse


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `bench` and what can be measured to the command line."""
    commands.add_parser("bench", help="measure speed")
