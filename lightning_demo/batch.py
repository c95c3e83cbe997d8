"""The `batch` command: a list of prompts into a folder of pictures with a manifest.

Told to go on, by being started again with the same list and folder, it paints what is missing.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

from tqdm import tqdm

from .client import Client
from .engine.build import build_engine
from .errors import InvalidSetting
from .generate import FIELDS, KEY
from .model.device import choose_model
from .model.weights.fingerprint import fingerprint, is_settled
from .model.weights.lora_setting import parse_loras
from .model.weights.model_spec import ModelSpec
from .paths import is_taken
from .schemas import Limits, random_seed
from .settings import Settings
from .studio.manifest import Manifest, Origin, Outcome
from .studio.plan import COLUMNS, Picture, Plan, make_plan
from .studio.run import WAITS, Paint, Painted, by_engine, paint_plan
from .studio.table import KINDS, read_table
from .studio.wildcards import Lists, read_lists

SHOWN = 20  # faults; the number of the others is said
MAX_AT_ONCE = 64
COMPILE_FROM = 500  # pictures of the miniature, for which less would be gained than it takes

# What paints, and how long to wait before each new try where it is busy.
Painter: TypeAlias = AbstractAsyncContextManager[tuple[Paint, Sequence[float]]]


def batch(args: argparse.Namespace, settings: Settings) -> int:
    """Paints the list of the parsed command line; returns the exit code.

    Every row is checked before the model is loaded: 2 where one is at fault, unless those are to be
    skipped. 1 where a picture is missing in the end.

    Raises:
        InvalidRequest, InvalidSetting: naming the row, field or option at fault.
        LightningError: the model cannot be loaded, or the server is gone.
    """
    if not 1 <= args.at_once <= MAX_AT_ONCE:
        raise InvalidSetting(f"at_once: must be a whole number from 1 to {MAX_AT_ONCE}.")
    folder = Path(args.out)
    if is_taken(folder):
        raise InvalidSetting(f"out: must be a folder; {folder} is a file.")
    if not args.server:
        spec = choose_model(settings)
        weights = _weights(spec, settings)
        return _batch(args, folder, spec.limits, weights, lambda plan: _here(plan, args, settings))
    with Client(args.server, os.environ.get(KEY, "")) as client:
        return _batch(args, folder, client.limits(), "", lambda plan: _by_server(client, args))


def _weights(spec: ModelSpec, settings: Settings) -> str:
    """The fingerprint of what paints here; empty where the same command could find another."""
    found = fingerprint(spec, parse_loras(settings.lora), fp8=settings.fp8)
    return found if is_settled(spec) else ""


def _batch(
    args: argparse.Namespace,
    folder: Path,
    limits: Limits,
    weights: str,
    painter: Callable[[Plan], Painter],
) -> int:
    manifest = Manifest(folder)
    plan, origin = _plan(args, limits, weights, manifest)
    for fault in plan.faults[:SHOWN]:
        print(f"{args.file}, {fault}", file=sys.stderr)
    if (more := len(plan.faults) - SHOWN) > 0:
        print(f"… and {more} more", file=sys.stderr)
    if args.check or (plan.faults and not args.skip_bad_rows):
        print(json.dumps({"pictures": len(plan.pictures), "bad_rows": len(plan.faults)}))
        return 2 if plan.faults else 0
    manifest.begin(origin)
    return asyncio.run(_paint(plan, manifest, folder, args, painter(plan)))


def _plan(
    args: argparse.Namespace, limits: Limits, weights: str, manifest: Manifest
) -> tuple[Plan, Origin]:
    """The plan, and what it was made of; the same as before where the folder has begun with it.

    Args:
        weights: their fingerprint; empty where it is not known.
    """
    name = args.file
    kind = "text" if name == "-" else KINDS.get(Path(name).suffix.lower())
    if kind is None:
        raise InvalidSetting(f"file: must end in {', '.join(KINDS)}, or be -; not {name!r}.")
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise InvalidSetting(f"file: {name} cannot be read ({error.strerror}).") from None
    lists: Lists = read_lists(Path(args.wildcards)) if args.wildcards else {}
    defaults = {name: value for name in FIELDS if (value := getattr(args, name)) is not None}
    before = manifest.origin
    seed = before.seed if before else random_seed()
    plan = make_plan(read_table(data, kind, COLUMNS), limits, defaults, seed, lists)
    said = [repr(each) for each in (lists, defaults, args.format)]
    origin = Origin(_digest(data, *said, _what_counts(limits, plan)), seed, weights)
    # Manifests of a while named all styles, also those that no picture has.
    same = (origin.sha256, _digest(data, *said, repr(limits)))
    if before and (before.sha256 not in same or _other_weights(before, origin)):
        raise InvalidSetting(
            f"out: {args.out} holds another batch (another list, other options or other weights); "
            "choose another folder."
        )
    return plan, before or origin


def _what_counts(limits: Limits, plan: Plan) -> str:
    """What of the model's limits the pictures depend on; in the form of the first manifests, so
    that a newer version goes on with a folder of an older one.
    """
    names = ("num_inference_steps", "default_steps", "sizes", "min_side", "max_side")
    said = ", ".join(f"{name}={getattr(limits, name)!r}" for name in names)
    styles = {picture.request.style for picture in plan.pictures} - {None}
    return f"Limits({said})" + "".join(sorted(map(repr, styles)))


def _other_weights(before: Origin, now: Origin) -> bool:
    """Whether both are known, and differ: the first manifests say none, nor does a server."""
    return "" not in (before.fingerprint, now.fingerprint) and before.fingerprint != now.fingerprint


def _digest(data: bytes, *others: str) -> str:
    """Which list with which options it is."""
    digest = hashlib.sha256(data)
    for other in others:
        digest.update(other.encode())
    return digest.hexdigest()


async def _paint(
    plan: Plan, manifest: Manifest, folder: Path, args: argparse.Namespace, painter: Painter
) -> int:
    total, begun = len(plan.pictures), time.monotonic()
    missing = [picture for picture in plan.pictures if not manifest.done(picture)]
    failed = 0

    def name(picture: Picture) -> str:
        return picture.file(total, args.format)

    with tqdm(total=total, initial=total - len(missing), unit="picture") as bar:

        def tell(outcome: Outcome) -> None:
            nonlocal failed
            manifest.add(outcome)
            bar.update()
            if outcome.error:
                failed += 1
                bar.write(f"line {outcome.picture.line}: {outcome.error}", file=sys.stderr)

        try:
            async with painter as (paint, waits):
                await paint_plan(missing, paint, folder, name, args.at_once, tell, waits)
        finally:
            manifest.write_table()
    seconds = time.monotonic() - begun
    painted = len(missing) - failed
    report = {
        "pictures": total,
        "painted": painted,
        "already_there": total - len(missing),
        "failed": failed,
        "bad_rows": len(plan.faults),
        "seconds": round(seconds, 2),
        "pictures_per_hour": round(painted / seconds * 3600) if painted else 0,
        "folder": str(folder),
    }
    print(json.dumps(report))
    return 1 if failed or plan.faults else 0


@asynccontextmanager
async def _here(
    plan: Plan, args: argparse.Namespace, settings: Settings
) -> AsyncIterator[tuple[Paint, Sequence[float]]]:
    """Paints by a model of our own, which is not to be waited for once it is gone."""
    if choose_model(settings).small and len(plan.pictures) < COMPILE_FROM:
        settings = replace(settings, compile=False)
    steps = min(picture.request.num_inference_steps for picture in plan.pictures)
    engine = build_engine(settings, num_inference_steps=steps)

    try:
        yield by_engine(engine, args.format), ()
    finally:
        await engine.aclose()


@asynccontextmanager
async def _by_server(
    client: Client, args: argparse.Namespace
) -> AsyncIterator[tuple[Paint, Sequence[float]]]:
    """Has a server paint that runs already; it may be busy, or be started again meanwhile."""
    loop = asyncio.get_running_loop()

    def ask(fields: Mapping[str, Any]) -> Painted:
        begun = time.monotonic()
        painted = client.paint({**fields, "strict": True}, args.format)
        seconds = time.monotonic() - begun
        return Painted(painted.data, painted.model, seconds, painted.warnings)

    with ThreadPoolExecutor(args.at_once) as threads:

        async def paint(picture: Picture) -> Painted:
            fields = picture.request.as_dict()
            if picture.template != picture.request.prompt:
                fields["template"] = picture.template
            return await loop.run_in_executor(threads, ask, fields)

        yield paint, WAITS
