"""The options of `batch`: `batch.py` beside this folder does it."""

from __future__ import annotations

import argparse

from ..settings import ENGINE_SETTINGS
from .options import add_fields, add_server, add_settings, settings_from


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Paints a list: a line of text for each prompt, or CSV or JSON Lines with the "
        "columns prompt, negative_prompt, seed, size, num_inference_steps, guidance_scale, style, "
        "variation_seed, variation_strength, morph_prompt, morph_strength and "
        "count. {house, boat} in a prompt paints both, __animal__ draws a word of a list. Every "
        "row is checked first. Started again with the same folder, it paints what is missing."
    )
    parser.add_argument("file", metavar="FILE", help=".txt, .csv, .tsv or .jsonl; - reads lines")
    parser.add_argument("--out", required=True, metavar="DIR", help="pictures and manifest")
    add_fields(parser.add_argument_group("fields of the rows that do not say them"))
    parser.add_argument(
        "--wildcards", metavar="DIR", help="lists of words: DIR/animal.txt for __animal__"
    )
    parser.add_argument(
        "--format", choices=("png", "jpeg", "webp"), default="png", help="(default: png)"
    )
    parser.add_argument(
        "--at-once", type=int, default=16, metavar="N", help="pictures asked for (default: 16)"
    )
    parser.add_argument("--check", action="store_true", help="only check the list")
    parser.add_argument(
        "--skip-bad-rows", action="store_true", help="paint the others, and end with 1"
    )
    add_server(parser)
    add_settings(parser, ENGINE_SETTINGS)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from ..batch import batch

    return batch(args, settings_from(args))
