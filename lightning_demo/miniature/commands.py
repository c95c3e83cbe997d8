"""The command line of the miniature: every stage alone, or all of them within a budget."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path

DEFAULT_EXPORT = Path(__file__).parents[2] / "assets" / "miniature"
TRAIN_STAGES = ("autoencoder", "text", "teacher", "decoder")
STEP_COUNTS = (4, 2, 8, 1)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `miniature` and its own commands."""
    parser = subparsers.add_parser("miniature", help="draw, train and export the small model")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    render = _command(commands, "render", _render, "draw the training pictures")
    render.add_argument("--sheet", type=Path, help="also save a contact sheet of the world")

    train = _command(commands, "train", _train, "train one stage, or all that are not done yet")
    train.add_argument(
        "stage", nargs="?", choices=TRAIN_STAGES, help="default: all, then distillation"
    )
    _add_length(train, "of wall-clock time for all stages together, or for the one named")

    distill = _command(commands, "distill", _distill, "distill the teacher to few steps")
    distill.add_argument("--steps", type=int, choices=STEP_COUNTS, required=True)
    _add_length(distill, "of wall-clock time")

    export = _command(commands, "export", _export, "write the model as files")
    export.add_argument("--to", type=Path, default=DEFAULT_EXPORT, help="default: %(default)s")

    sample = commands.add_parser("sample", help="draw prompts with exported files")
    sample.set_defaults(run=_sample)
    sample.add_argument("prompts", nargs="*", help="default: the examples and held-out prompts")
    sample.add_argument("--model", type=Path, default=DEFAULT_EXPORT, help="an exported folder")
    sample.add_argument("--steps", type=int, default=4, help="default: %(default)s")
    sample.add_argument("--guidance-scale", type=float, default=0.0, help="above 0: the base model")
    sample.add_argument("--seed", type=int, default=0)
    sample.add_argument("--size", default="128x128", help="WIDTHxHEIGHT, default: %(default)s")
    sample.add_argument("--out", type=Path, default=Path("miniature.png"))


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    run: Callable[[argparse.Namespace], int],
    text: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text)
    parser.add_argument("--run-dir", type=Path, required=True, help="pictures and checkpoints")
    parser.add_argument("--device", default="cpu", help="default: %(default)s")
    parser.set_defaults(run=run)
    return parser


def _add_length(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument("--budget", type=float, default=90.0, metavar="MINUTES", help=text)


def _workshop(args: argparse.Namespace):  # type: ignore[no-untyped-def]
    # Two threads that spin while they wait for each other cost more than they bring.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("GOMP_SPINCOUNT", "200")
    from .workshop import Workshop

    return Workshop(args.run_dir, args.device)


def _render(args: argparse.Namespace) -> int:
    from .world import contact_sheet, draw_scene, sample_scene

    if args.sheet:
        contact_sheet([draw_scene(sample_scene(i), 128, 128) for i in range(70)], 10).save(
            args.sheet
        )
    _workshop(args).render()
    return 0


def _train(args: argparse.Namespace) -> int:
    workshop = _workshop(args)
    if args.stage:
        workshop.train(args.stage, args.budget)
    else:
        workshop.train_all(args.budget)
    return 0


def _distill(args: argparse.Namespace) -> int:
    _workshop(args).distill(args.steps, args.budget)
    return 0


def _export(args: argparse.Namespace) -> int:
    from .export import file_table, write_examples

    _workshop(args).export(args.to)
    write_examples(args.to)
    print("\n".join(file_table(args.to)))
    return 0


def _sample(args: argparse.Namespace) -> int:
    from .sheet import captioned_sheet, draw_prompts, sheet_prompts

    width, height = map(int, args.size.split("x"))
    prompts = args.prompts or sheet_prompts(32)
    pictures = draw_prompts(
        args.model,
        prompts,
        args.steps,
        seed=args.seed,
        width=width,
        height=height,
        guidance_scale=args.guidance_scale,
    )
    captioned_sheet(pictures, prompts, columns=min(8, len(prompts))).save(args.out)
    print(args.out)
    return 0
