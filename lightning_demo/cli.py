"""The command line: serving, painting, and whatever else `--help` lists."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from . import __version__
from .errors import InvalidRequest, InvalidSetting, LightningError
from .ports import free_port
from .schemas import MAX_GUIDANCE_SCALE, MAX_SEED, STEP_COUNTS
from .settings import (
    ENGINE_SETTINGS,
    SPEED_SETTINGS,
    Settings,
    convert,
    on_zerogpu,
    variable,
)
from .tls import check_certificate

if TYPE_CHECKING:
    from .engine.base import Engine
    from .engine.metrics import Metrics
    from .schemas import EngineStatus

Command = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code (0 done, 1 failed, 2 wrong usage)."""
    args = build_parser().parse_args(arguments)
    logging.basicConfig(
        level=logging.DEBUG if args.verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    for noisy in ("httpx", "httpcore", "PIL", "asyncio", "multipart", "matplotlib"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    run: Command = args.run
    try:
        return run(args)
    except (InvalidRequest, InvalidSetting) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except LightningError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def build_parser() -> argparse.ArgumentParser:
    """The parser of every command; each sets `run`."""
    parser = argparse.ArgumentParser(
        prog="python -m lightning_demo",
        description="Live text-to-image with SDXL-Lightning: a picture for every keystroke.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument("--verbose", action="store_true", help="log everything")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_serve(commands)
    _add_rollout(commands)
    _add_generate(commands)
    _add_batch(commands)
    _add_inspect(commands)
    _add_download(commands)
    _add_compile(commands)
    _add_doctor(commands)
    _add_health(commands)
    _add_mcp(commands)
    _add_screenshots(commands)
    from .bench import add_parser as add_bench
    from .miniature.commands import add_parser as add_miniature

    add_bench(commands)
    add_miniature(commands)
    return parser


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


def _add_serve(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "serve",
        help="open the live demo (what `python app.py` does)",
        description="Serves the live demo. Each option can also be set as the variable named "
        "in brackets.",
    )
    add_settings(parser)

    def run(args: argparse.Namespace) -> int:
        settings = settings_from(args)
        from .engine.build import build_engine, expected
        from .engine.fallbacks import check_fallbacks
        from .engine.local import DECODER_NAME, WORKER_NAME
        from .engine.metrics import Metrics
        from .web.server import serve
        from .web.stage.audience.word_file import read_words

        # Before the model is loaded for nothing.
        free_port(settings.host, settings.port)
        check_certificate(settings)
        if settings.audience_words:
            list(read_words(settings.audience_words))
        if settings.fallback:
            check_fallbacks(settings, expected(settings))
        metrics = Metrics()
        engine = build_engine(
            settings,
            stand_in=True,
            fallback=True,
            metrics=metrics,
            elsewhere=_elsewhere(settings),
        )
        code = serve(engine, settings, metrics)
        works = (WORKER_NAME, DECODER_NAME)
        if any(thread.name.startswith(works) for thread in threading.enumerate()):
            # Still loading, or hung: Python cannot unwind a thread inside torch, and would abort.
            logging.shutdown()
            sys.stdout.flush()
            os._exit(code)
        return code

    parser.set_defaults(run=run)


def _elsewhere(settings: Settings) -> Callable[[EngineStatus, Metrics], Engine] | None:
    """What makes the engine, where it is not in this process.

    Raises:
        InvalidSetting: there is none.
    """
    if settings.engine == "local":
        return None
    if on_zerogpu():
        raise InvalidSetting(
            f"engine: ZeroGPU lends a GPU by itself; leave --engine {settings.engine} out."
        )
    return _process(settings) if settings.engine == "process" else _replicas(settings)


def _process(settings: Settings) -> Callable[[EngineStatus, Metrics], Engine]:
    """What makes the engine in a process of its own."""
    from .engine.process import ProcessEngine

    return lambda known, metrics: ProcessEngine(known, settings.for_painting(), metrics)


def _replicas(settings: Settings) -> Callable[[EngineStatus, Metrics], Engine]:
    """What makes the engine of a Ray cluster, which is started or joined now.

    Raises:
        InvalidSetting: there is none.
    """
    from .engine.ray.cluster import Cluster
    from .engine.ray.engine import RayEngine
    from .web.replica import Replica

    cluster = Cluster(settings, Replica)

    def make(known: EngineStatus, metrics: Metrics) -> Engine:
        return RayEngine(cluster, cluster.deploy(known), known, metrics)

    return make


def _add_rollout(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "rollout",
        help="replace the engines of a Ray cluster, one after another",
        description="Starts every replica of a running demo (--engine ray) anew, one after "
        "another, each of which first finishes what it paints: for new code on the machines of "
        "the cluster. Ends when all that paint are new.",
    )
    add_settings(parser, ("ray_address",))

    def run(args: argparse.Namespace) -> int:
        from .engine.ray.rollout import rollout
        from .web.replica import Replica

        address = args.ray_address or os.environ.get(variable("ray_address")) or "auto"
        return rollout(Settings(engine="ray", ray_address=address), Replica)

    parser.set_defaults(run=run)


def _add_generate(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "generate",
        help="paint prompts into PNG files",
        description="Paints each prompt into a PNG file with its settings inside, and prints one "
        "line of JSON for each.",
    )
    parser.add_argument("prompts", nargs="+", metavar="PROMPT", help="what to paint")
    _add_fields(parser)
    parser.add_argument(
        "--out",
        default=None,
        help="the PNG file, or the folder for several prompts (default: picture.png, pictures/)",
    )
    _add_server(parser)
    add_settings(parser, ENGINE_SETTINGS)

    def run(args: argparse.Namespace) -> int:
        from .generate import generate

        return generate(args, settings_from(args))

    parser.set_defaults(run=run)


def _add_batch(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "batch",
        help="paint a list of prompts into a folder",
        description="Paints a list: a line of text for each prompt, or CSV or JSON Lines with the "
        "columns prompt, negative_prompt, seed, size, num_inference_steps, guidance_scale, style, "
        "variation_seed, variation_strength, morph_prompt, morph_strength and "
        "count. {house, boat} in a prompt paints both, __animal__ draws a word of a list. Every "
        "row is checked first. Started again with the same folder, it paints what is missing.",
    )
    parser.add_argument("file", metavar="FILE", help=".txt, .csv, .tsv or .jsonl; - reads lines")
    parser.add_argument("--out", required=True, metavar="DIR", help="pictures and manifest")
    _add_fields(parser.add_argument_group("fields of the rows that do not say them"))
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
    _add_server(parser)
    add_settings(parser, ENGINE_SETTINGS)

    def run(args: argparse.Namespace) -> int:
        from .batch import batch

        return batch(args, settings_from(args))

    parser.set_defaults(run=run)


def _add_fields(parser: argparse._ActionsContainer) -> None:
    """The fields of a request but its prompt."""
    parser.add_argument("--negative-prompt", help="what to keep out; acts above guidance 1")
    parser.add_argument(
        "--num-inference-steps", type=_number, help="1, 2, 4 or 8; each has its own checkpoint"
    )
    parser.add_argument(
        "--guidance-scale", type=_number, help=f"0 to {MAX_GUIDANCE_SCALE:g} (default: 0)"
    )
    parser.add_argument("--seed", type=_number, help=f"0 to {MAX_SEED} (default: a new one)")
    parser.add_argument("--width", type=_number, help="pixels, a multiple of 8")
    parser.add_argument("--height", type=_number, help="pixels, a multiple of 8")
    parser.add_argument("--style", help="words around the prompt, by the name of a style")
    parser.add_argument("--variation-seed", type=_number, help="a little of this seed's noise")
    parser.add_argument("--variation-strength", type=_number, help="how much of it, 0 to 1")
    parser.add_argument("--morph-prompt", help="on the way to this prompt")
    parser.add_argument("--morph-strength", type=_number, help="how far, 0 to 1")


def _add_server(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--server",
        metavar="URL",
        help="let a server that runs already paint, e.g. http://127.0.0.1:7860; its key, if it "
        "asks for one, from LIGHTNING_API_KEY",
    )


def _add_inspect(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "inspect",
        help="print the settings inside pictures",
        description="Prints one line of JSON for each picture: the settings that this program, "
        "AUTOMATIC1111 or ComfyUI has left in it.",
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="PNG, JPEG or WebP")

    def run(args: argparse.Namespace) -> int:
        from .inspect_pictures import inspect_pictures

        return inspect_pictures(args.files)

    parser.set_defaults(run=run)


def _add_screenshots(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "screenshots",
        help="take a picture of every view of the page",
        description="Starts a server with the miniature and takes a picture of every view, light "
        "and dark, at three widths, with the Chromium of this machine.",
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for the pictures")
    parser.add_argument("views", nargs="*", metavar="VIEW", help="only these")

    def run(args: argparse.Namespace) -> int:
        from pathlib import Path

        from .bench.screenshots import screenshots

        print(f"{screenshots(Path(args.out), args.views)} pictures in {args.out}")
        return 0

    parser.set_defaults(run=run)


def _add_mcp(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "mcp",
        help="paint for an assistant, over standard input and output",
        description="Speaks the Model Context Protocol over standard input and output, as desktop "
        "assistants start their tools. A server that runs already offers the same at /mcp.",
    )
    add_settings(parser, ENGINE_SETTINGS)

    def run(args: argparse.Namespace) -> int:
        import asyncio

        from .engine.build import build_engine
        from .web.api.mcp import serve_stdio

        # An assistant asks seldom: nothing is gained by compiling for minutes beside it.
        settings = replace(settings_from(args), compile=False)
        asyncio.run(serve_stdio(build_engine(settings)))
        return 0

    parser.set_defaults(run=run)


def _add_download(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "download",
        help="fetch SDXL-Lightning's weights before they are needed",
        description="Fetches what painting in the given step counts needs from the Hugging Face "
        "Hub into its ordinary cache; the demo then starts without the network.",
    )
    parser.add_argument(
        "--steps",
        nargs="+",
        type=_number,
        metavar="N",
        help=f"{', '.join(map(str, STEP_COUNTS))}; each has its own checkpoint (default: 4)",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="fetch nothing; compare every file here with its published hash",
    )
    add_settings(parser, ("model", "variant", "base"))

    def run(args: argparse.Namespace) -> int:
        from .download import download

        return download(args, settings_from(args))

    parser.set_defaults(run=run)


def _add_compile(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "compile",
        help="compile the model beforehand, so that serving starts at full speed",
        description="Leaves programs as files for servers to load. Beside a server that has room "
        "for it on its GPU this happens by itself; before a talk it is better done already.",
    )
    parser.add_argument(
        "--size",
        type=_size,
        nargs="+",
        default=(),
        metavar="WIDTHxHEIGHT",
        help="px, of those that the model was trained at (default: its native one)",
    )
    parser.add_argument(
        "--plan",
        metavar="UNETS,DECODER,ENCODERS",
        help="of the server beside which this runs: 4,full,stay (default: what fits now)",
    )
    parser.add_argument(
        "--until-stdin-closes",
        action="store_true",
        help="end early when standard input closes; how the server runs it",
    )
    add_settings(parser, (*ENGINE_SETTINGS, *SPEED_SETTINGS))

    def run(args: argparse.Namespace) -> int:
        from .compile import compile_model

        return compile_model(settings_from(args), args.size, args.plan, args.until_stdin_closes)

    parser.set_defaults(run=run)


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text} is not WIDTHxHEIGHT, as in 1024x1024")
    return int(width), int(height)


def _add_doctor(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("doctor", help="check this machine and say what to do")
    others = ("host", "port", "files_dir", "safety_checker", "audience_seats", "fallback")
    add_settings(parser, (*others, *ENGINE_SETTINGS))
    another = parser.add_mutually_exclusive_group()
    another.add_argument(
        "--gpu", metavar="NAME", help='instead: what fits a GPU that is not here, e.g. "RTX 4090"'
    )
    another.add_argument(
        "--memory", type=float, metavar="GIB", help="the same, by its free memory, 1 to 1024 GiB"
    )
    another.add_argument(
        "--talk",
        action="store_true",
        help="instead: rehearse a talk with the network off, and say what is to be mended",
    )
    parser.add_argument(
        "--phones",
        type=int,
        default=0,
        metavar="N",
        help="with --talk: phones that will join, 0 to 1000 (default: 0, no audience)",
    )

    def run(args: argparse.Namespace) -> int:
        from .doctor import describe_memory, examine

        if args.gpu or args.memory is not None:
            return describe_memory(args.gpu, args.memory)
        if args.talk:
            from .talk.rehearsal import rehearse

            logging.disable(logging.INFO)  # what was found is what is to be read
            return rehearse(settings_from(args), args.phones)
        if args.phones:
            raise InvalidSetting("phones: is for a rehearsal; give --talk, too.")
        return examine(settings_from(args))

    parser.set_defaults(run=run)


def _add_health(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "health",
        help="ask a server on this machine whether it is alive",
        description="Asks /healthz of the server that was started with these options or "
        "variables; ends with 0 if it answers. For health checks of containers.",
    )
    add_settings(parser, ("host", "port", "tls_cert", "tls_key"))

    def run(args: argparse.Namespace) -> int:
        from .health import check_health

        return check_health(settings_from(args))

    parser.set_defaults(run=run)


def _number(text: str) -> float | str:
    """A number where the text is one; `schemas` says what is wrong with anything else."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
