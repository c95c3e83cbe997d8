"""The `generate` command: prompts into PNG files."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import time
from dataclasses import replace
from pathlib import Path

from .client import Client
from .engine.base import Engine, Work, final_frame
from .engine.build import build_engine
from .errors import InvalidSetting
from .images import encode_png
from .model.device import choose_model
from .paths import is_taken
from .schemas import OPTIONAL, GenerationRequest
from .settings import Settings
from .studio.manifest import replace_file

KEY = "LIGHTNING_API_KEY"  # what a server that asks for one is given

FIELDS = (
    "negative_prompt",
    "num_inference_steps",
    "guidance_scale",
    "seed",
    "width",
    "height",
    *OPTIONAL,
)


def generate(args: argparse.Namespace, settings: Settings) -> int:
    """Paints every prompt of the parsed command line; returns the exit code.

    Everything is checked before the model is loaded.

    Raises:
        InvalidRequest, InvalidSetting: naming the field or option at fault.
        LightningError: the model cannot be loaded, or a picture cannot be painted or written.
    """
    if args.server:
        return _paint_elsewhere(args)
    limits = choose_model(settings).limits
    fields = {name: getattr(args, name) for name in FIELDS}
    requests = [
        GenerationRequest.parse({"prompt": prompt, **fields}, limits) for prompt in args.prompts
    ]
    files = _files(args.out, args.prompts)
    # One step count for all; its weights are waited for, however long they take to arrive.
    steps = requests[0].num_inference_steps
    if choose_model(settings).small:  # sooner done eagerly, and the same bits on every day
        settings = replace(settings, compile=False)
    engine = build_engine(settings, num_inference_steps=steps)
    asyncio.run(_paint_all(engine, requests, files))
    return 0


def _paint_elsewhere(args: argparse.Namespace) -> int:
    """The same by a server that runs already, which checks what it is asked."""
    files = _files(args.out, args.prompts)
    fields = {name: getattr(args, name) for name in FIELDS}
    with Client(args.server, os.environ.get(KEY, "")) as client:
        for prompt, file in zip(args.prompts, files, strict=True):
            begun = time.perf_counter()
            painted = client.paint({"prompt": prompt, **fields})
            milliseconds = round((time.perf_counter() - begun) * 1000, 2)
            replace_file(file, painted.data)
            report = {
                "prompt": prompt,
                **{name: value for name, value in fields.items() if value is not None},
                "seed": painted.seed,
                "model": painted.model,
                "file": str(file),
                "timings": {"total": milliseconds},
            }
            if painted.warnings:
                report["notes"] = list(painted.warnings)
            print(json.dumps(report), flush=True)
    return 0


async def _paint_all(engine: Engine, requests: list[GenerationRequest], files: list[Path]) -> None:
    try:
        for request, file in zip(requests, files, strict=True):
            frame = await final_frame(engine, Work(request, previews=False))
            status = engine.status()
            data = encode_png(frame.pixels, request, status.model, status.weights)
            replace_file(file, data)
            report = {
                **request.as_dict(),
                "model": status.model,
                "file": str(file),
                "timings": {name: round(ms, 2) for name, ms in frame.timings.items()},
            }
            if frame.notes:
                report["notes"] = list(frame.notes)
            print(json.dumps(report), flush=True)
    finally:
        await engine.aclose()


def _files(out: str | None, prompts: list[str]) -> list[Path]:
    """One PNG path for each prompt: `out` itself, or numbered names in the folder `out`."""
    if len(prompts) == 1:
        file = Path(out or "picture.png")
        if file.suffix.lower() != ".png":
            raise InvalidSetting(f"--out: must end in .png for one prompt, not {file.name!r}.")
        return [file]
    folder = Path(out or "pictures")
    if is_taken(folder):
        raise InvalidSetting(f"--out: must be a folder for several prompts; {folder} is a file.")
    return [folder / f"{i:03d}-{_slug(prompt)}.png" for i, prompt in enumerate(prompts, 1)]


def _slug(prompt: str) -> str:
    """A file name's worth of the prompt's letters and digits."""
    return "-".join(re.findall(r"[a-z0-9]+", prompt.lower()))[:60] or "picture"
