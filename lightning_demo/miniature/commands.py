"""The command line of the miniature: every stage alone, or all of them within a budget."""

from __future__ import annotations

import argparse
import json
import math
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ..schemas import STEP_COUNTS
from .suites import MODELS
from .world import PAINTED

DEFAULT_EXPORT = Path(__file__).parents[2] / "assets" / "miniature"
TRAIN_STAGES = ("autoencoder", "text", "teacher", "decoder", "preview", "classifier")
SHEET_SCENES = 70
SIZES = tuple(f"{width}x{height}" for width, height in PAINTED)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the commands of `miniature`."""
    commands = parser.add_subparsers(
        required=True, metavar="COMMAND", parser_class=argparse.ArgumentParser
    )

    render = _command(commands, "render", _render, "draw the training pictures")
    render.add_argument("--sheet", type=Path, help="also save a contact sheet of the world")

    train = _command(commands, "train", _train, "train one stage, or all that are not done yet")
    train.add_argument(
        "stage", nargs="?", choices=TRAIN_STAGES, help="default: all, then distillation"
    )
    _add_training(train, "of wall-clock time for all stages together, or for the one named")

    adopt = commands.add_parser("adopt", help="begin a run with an exported autoencoder")
    adopt.set_defaults(run=_adopt)
    adopt.add_argument("--run-dir", type=Path, required=True, help="pictures and checkpoints")
    _add_model(adopt)
    adopt.add_argument(
        "--teacher", action="store_true", help="also its text encoders, and go on with its teacher"
    )
    adopt.add_argument(
        "--students",
        action="store_true",
        help="also its text encoders and its teacher, finished, and go on with its students",
    )

    distill = _command(commands, "distill", _distill, "distill the teacher to few steps")
    distill.add_argument("--steps", type=int, choices=STEP_COUNTS, required=True)
    _add_training(distill, "of wall-clock time")
    distill.add_argument(
        "--adversarial-weight", type=_weight, help="0: no discriminator; default: as in config.py"
    )

    measure = commands.add_parser("evaluate", help="measure exported files")
    measure.set_defaults(run=_evaluate)
    _add_model(measure)
    measure.add_argument("--run-dir", type=Path, help="also measure its whole students")
    measure.add_argument("--fast", action="store_true", help="a rough reading in minutes")
    measure.add_argument("--write-card", action="store_true", help="into the model card")

    export = _command(commands, "export", _export, "write the model as files")
    export.add_argument("--to", type=Path, default=DEFAULT_EXPORT, help="default: %(default)s")

    sample = commands.add_parser("sample", help="draw prompts with exported files")
    sample.set_defaults(run=_sample)
    sample.add_argument("prompts", nargs="*", help="default: the examples and held-out prompts")
    _add_model(sample)
    sample.add_argument(
        "--steps",
        choices=MODELS,
        default="4",
        help="default: %(default)s",
    )
    sample.add_argument("--seed", type=int, default=0)
    sample.add_argument(
        "--size", choices=SIZES, default=SIZES[0], help="width and height, default: %(default)s"
    )
    sample.add_argument("--out", type=Path, default=Path("miniature.png"))
    sample.add_argument(
        "--sheet",
        type=Path,
        metavar="JPEG",
        help="instead: 48 held-out prompts, large, into this file, and twelve of them beside it",
    )
    sample.add_argument(
        "--before",
        type=_exported,
        metavar="FOLDER",
        help="with --sheet: six of them only, above as drawn by another exported folder",
    )


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    run: Callable[[argparse.Namespace], int],
    text: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text)
    parser.add_argument("--run-dir", type=Path, required=True, help="pictures and checkpoints")
    parser.add_argument(
        "--device", choices=("cpu", "cuda", "mps"), default="cpu", help="default: %(default)s"
    )
    parser.add_argument("--threads", type=_count, help="of the CPU; default: as in config.py")
    parser.set_defaults(run=run)
    return parser


def _add_training(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument("--budget", type=_minutes, default=90.0, metavar="MINUTES", help=text)
    parser.add_argument(
        "--processes", type=_count, default=1, help="that train one network together; default: 1"
    )
    parser.add_argument(
        "--batch",
        type=_count,
        help="of the teacher and the students, for each process; default: as in config.py",
    )


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", type=_exported, default=DEFAULT_EXPORT, help="exported folder")


def _minutes(text: str) -> float:
    minutes = float(text)
    if not 0 < minutes < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not above 0 minutes")
    return minutes


def _weight(text: str) -> float:
    weight = float(text)
    if not 0 <= weight < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not 0 or more")
    return weight


def _count(text: str) -> int:
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return int(text)


def _exported(text: str) -> Path:
    folder = Path(text)
    for name in ("base", "lightning", "preview"):
        if not (folder / name).is_dir():
            raise argparse.ArgumentTypeError(f"{folder} has no {name}/; `export` writes it")
    return folder


def _training_run(args: argparse.Namespace):  # type: ignore[no-untyped-def]
    # Two threads that spin while they wait for each other cost more than they bring.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("GOMP_SPINCOUNT", "200")
    from .parallel import launch

    launch(getattr(args, "processes", 1))
    from .config import TrainingConfig
    from .training_run import TrainingRun

    config = TrainingConfig()
    if args.threads:
        config = replace(config, threads=args.threads)
    if getattr(args, "batch", None):
        config = replace(config, teacher_batch=args.batch, distill_batch=args.batch)
    if getattr(args, "adversarial_weight", None) is not None:
        config = replace(config, adversarial_weight=args.adversarial_weight)
    return TrainingRun(args.run_dir, args.device, config)


def _render(args: argparse.Namespace) -> int:
    if args.sheet:
        from .sheet import world_sheet

        world_sheet(SHEET_SCENES).save(args.sheet)
    _training_run(args).render()
    return 0


def _train(args: argparse.Namespace) -> int:
    run = _training_run(args)
    if args.stage:
        run.train(args.stage, args.budget)
    else:
        run.train_all(args.budget)
    return 0


def _adopt(args: argparse.Namespace) -> int:
    from .adopt import adopt_autoencoder, adopt_students, adopt_teacher

    if args.teacher and args.students:
        raise SystemExit(
            "--students need the teacher that they learned from, as it is: one of both"
        )
    print("finished:", *adopt_autoencoder(args.model, args.run_dir))
    if args.teacher:
        adopt_teacher(args.model, args.run_dir)
    if args.students:
        try:
            adopt_teacher(args.model, args.run_dir, finished=True)
        except ValueError as error:
            raise SystemExit(str(error)) from error
        print("to go on with:", *adopt_students(args.model, args.run_dir))
    return 0


def _distill(args: argparse.Namespace) -> int:
    _training_run(args).distill(args.steps, args.budget)
    return 0


def _evaluate(args: argparse.Namespace) -> int:
    from .card import readme_table, table, write_card
    from .evaluate import FAST, FULL, evaluate
    from .training_run import whole_students

    unets = whole_students(args.run_dir) if args.run_dir else {}
    report = evaluate(args.model, FAST if args.fast else FULL, unets)
    if args.write_card:
        write_card(args.model, report)
    print(table(report), readme_table(report), sep="\n\n", end="\n\n")
    print(json.dumps(report))
    return 0


def _export(args: argparse.Namespace) -> int:
    from .export import write_examples, write_hashes

    _training_run(args).export(args.to)
    write_examples(args.to)
    for file, digest in write_hashes(args.to).items():
        print(digest, file)
    return 0


def _sample(args: argparse.Namespace) -> int:
    from .evaluate import steps_and_guidance
    from .sheet import captioned_sheet, draw_prompts, sheet_prompts, write_beside, write_large_sheet

    width, height = map(int, args.size.split("x"))
    prompts = args.prompts or sheet_prompts(32)
    steps, guidance_scale = steps_and_guidance(args.steps)
    if args.before and not args.sheet:
        raise SystemExit("--before needs --sheet, the file to draw into")
    how = (args.sheet, steps, args.seed, guidance_scale)
    if args.before:
        print(write_beside(args.before, args.model, *how))
        return 0
    if args.sheet:
        print(*write_large_sheet(args.model, *how), sep="\n")
        return 0
    pictures = draw_prompts(
        args.model,
        prompts,
        steps,
        seed=args.seed,
        width=width,
        height=height,
        guidance_scale=guidance_scale,
    )
    captioned_sheet(pictures, prompts, columns=min(8, len(prompts))).save(args.out)
    print(args.out)
    return 0
