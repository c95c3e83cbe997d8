"""Options that several commands have, and the settings that they make."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from ..schemas import MAX_GUIDANCE_SCALE, MAX_SEED
from ..settings import Settings, convert, variable


def settings_from(args: argparse.Namespace) -> Settings:
    """The environment's settings with the command line's on top.

    Raises:
        InvalidSetting: naming the option, its variable and what it may be.
    """
    given = {}
    for name in Settings.__dataclass_fields__:
        value = getattr(args, name, None)
        if isinstance(value, list):
            value = ",".join(value)
        if value is not None:
            given[name] = convert(name, value) if isinstance(value, str) else value
    return Settings.from_environment(given=given)


def add_settings(parser: argparse.ArgumentParser, names: Sequence[str] | None = None) -> None:
    """Adds an option for each setting, or for some of them."""
    for item in fields(Settings):
        if names is not None and item.name not in names:
            continue
        flag = "--" + item.name.replace("_", "-")
        shown = f"(default: {item.default})" if item.default not in ("", False) else ""
        text = f"{item.metadata['help']} {shown} [{variable(item.name)}]".replace("%", "%%")
        if isinstance(item.default, bool):
            action = argparse.BooleanOptionalAction
            parser.add_argument(flag, action=action, default=None, help=text)
            continue
        choices = item.metadata.get("choices")
        metavar = "{" + ",".join(choices) + "}" if choices else item.metadata.get("metavar")
        alone: dict[str, Any] = {}
        if item.metadata.get("repeats"):
            alone = {"action": "append"}
        if "alone" in item.metadata:
            alone = {"nargs": "?", "const": item.metadata["alone"]}
        parser.add_argument(flag, help=text, metavar=metavar or item.name.upper(), **alone)


def add_fields(parser: argparse._ActionsContainer) -> None:
    """The fields of a request but its prompt."""
    parser.add_argument("--negative-prompt", help="what to keep out; acts above guidance 1")
    parser.add_argument(
        "--num-inference-steps", type=number, help="1, 2, 4 or 8; each has its own checkpoint"
    )
    parser.add_argument(
        "--guidance-scale", type=number, help=f"0 to {MAX_GUIDANCE_SCALE:g} (default: 0)"
    )
    parser.add_argument("--seed", type=number, help=f"0 to {MAX_SEED} (default: a new one)")
    parser.add_argument("--width", type=number, help="pixels, a multiple of 8")
    parser.add_argument("--height", type=number, help="pixels, a multiple of 8")
    parser.add_argument("--style", help="words around the prompt, by the name of a style")
    parser.add_argument("--variation-seed", type=number, help="a little of this seed's noise")
    parser.add_argument("--variation-strength", type=number, help="how much of it, 0 to 1")
    parser.add_argument("--morph-prompt", help="on the way to this prompt")
    parser.add_argument("--morph-strength", type=number, help="how far, 0 to 1")


def add_server(parser: argparse.ArgumentParser) -> None:
    """Lets another server paint."""
    parser.add_argument(
        "--server",
        metavar="URL",
        help="let a server that runs already paint, e.g. http://127.0.0.1:7860; its key, if it "
        "asks for one, from LIGHTNING_API_KEY",
    )


def number(text: str) -> float | str:
    """A number where the text is one; `schemas` says what is wrong with anything else."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
