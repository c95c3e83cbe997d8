"""The `download` command: fetches the weights before they are needed, or checks those here."""

from __future__ import annotations

import argparse
import shutil
import sys
from dataclasses import replace
from typing import TextIO

from .errors import CheckpointError, InvalidRequest
from .model.device import choose_model
from .model.weights.model_spec import ModelSpec
from .settings import Settings

BAR = 24  # characters


def download(args: argparse.Namespace, settings: Settings) -> int:
    """Fetches or checks what the parsed command line asks for; returns the exit code.

    Who asks for weights means SDXL-Lightning's, also on a machine without a GPU.

    Raises:
        InvalidRequest, InvalidSetting: naming the option at fault; nothing is fetched.
        CheckpointError: a file cannot be had, or is not what the Hub publishes.
    """
    if settings.model == "auto":
        settings = replace(settings, model="sdxl-lightning")
    spec = choose_model(settings)
    steps = _steps(args.steps, spec)
    if spec.lightning.folder is not None:
        print(f"{spec.title} needs no download: it comes with the project.")
        return 0
    if args.check:
        return _check(spec, steps)
    from .model.hub.download import cache_folder
    from .model.hub.files import find, locate_all

    wanted = spec.files(*steps)
    with Line(sys.stdout) as line:
        locate_all(wanted, report=line.report)
    paths = [find(r, file, download=False) for r, files in wanted for file in files]
    size = sum(path.stat().st_size for path in paths)
    counts = ", ".join(map(str, steps))
    print(f"{spec.title} for {counts} step(s): {size / 1e9:.2f} GB in {cache_folder()}")
    return 0


class Line:
    """Progress on a stream: one line drawn over and over on a terminal, a few plain ones else."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._terminal = stream, stream.isatty()
        self._width, self._told = 0, ("", -1)

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *error: object) -> None:
        if self._terminal and self._width:
            print(file=self._stream)

    def report(self, fraction: float, sentence: str) -> None:
        """Shows how far it is: the fraction done, from 0 to 1, and what is being done."""
        if not self._terminal:
            # Of a file, every tenth of the whole is worth a line in a log.
            told = (sentence.partition(":")[0], int(fraction * 10))
            if told != self._told:
                self._told = told
                print(f"{fraction:4.0%}  {sentence}", file=self._stream, flush=True)
            return
        bar = ("#" * round(fraction * BAR)).ljust(BAR, ".")
        width = shutil.get_terminal_size().columns - 1
        text = f"[{bar}] {fraction:4.0%}  {sentence}"[:width]
        print("\r" + text.ljust(self._width), end="", file=self._stream, flush=True)
        self._width = len(text)


def _steps(given: list[float | str] | None, spec: ModelSpec) -> list[int]:
    offered = spec.limits.num_inference_steps
    for steps in given or ():
        if steps not in offered:
            choices = spec.limits.step_choices(steps)
            raise InvalidRequest(f"--steps: must be among {choices}.", field="steps")
    return sorted({int(steps) for steps in given or ()}) or [spec.limits.default_steps]


def _check(spec: ModelSpec, steps: list[int]) -> int:
    from .model.hub.files import check, find

    troubles = 0
    for repository, files in spec.files(*steps):
        for file in files:
            try:
                if not repository.local:
                    path, mark = check(repository, file), "ok"
                else:  # nobody published a hash for it
                    path, mark = find(repository, file, download=False), "--"
            except CheckpointError as error:
                troubles += 1
                print(f"!!  {error}")
            else:
                print(f"{mark}  {path.stat().st_size / 1e9:6.2f} GB  {repository.name}/{file}")
    if troubles:
        print(f"{troubles} file(s) to fetch: run the same command without --check.")
    return 1 if troubles else 0
