"""Where compiled programs are kept between runs."""

from __future__ import annotations

import hashlib
import importlib.metadata
import platform
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from .speed import Speed

PACKAGES = ("torch", "torchao", "diffusers", "transformers", "openvino")
MODEL_CODE = Path(__file__).parents[1]
# Of `Speed`: what is done with programs, not what is in them.
OUTSIDE = ("compile", "cuda_graphs", "cudnn_benchmark", "decode_stream")
SUFFIXES = (".pt2", ".ov")  # of programs
UNFINISHED = "unfinished-"  # what the names of folders begin with in which one is being made
UNFINISHED_HOURS = 24  # after which nobody is at it any more: it was ended in the middle
KEPT_DAYS = 30  # that a program which nobody uses stays


def program_folder(root: Path, name: str, speed: Speed, device_name: str) -> Path:
    """Where programs are kept that fit this model, device, machine, code and these packages."""
    what = {
        "speed": {key: value for key, value in asdict(speed).items() if key not in OUTSIDE},
        "device": device_name,
        "threads": torch.get_num_threads() if device_name == "cpu" else None,
    }
    return root / f"{name}-{versions()}-{_digest(what)}"


def versions() -> str:
    """Names all versions that programs depend on: of packages, of this code, of the processor."""
    return _digest(
        {
            "packages": [_version(package) for package in PACKAGES],
            "processor": [platform.machine(), _processor_features()],
            "code": [file.read_text(encoding="utf-8") for file in sorted(MODEL_CODE.rglob("*.py"))],
        }
    )


@dataclass(frozen=True, slots=True)
class Kept:
    """What is in the folders below a root: how much of it, and how much of that fits no more."""

    megabytes: float
    outdated_megabytes: float


def kept(root: Path) -> Kept:
    """Adds up what all programs take, and those that were made with other versions."""
    whole, outdated, now = 0, 0, versions()
    for folder in {program.parent for program in _programs(root)}:
        size = sum(program.stat().st_size for program in _programs(root, folder.name))
        whole += size
        outdated += 0 if f"-{now}-" in folder.name else size
    return Kept(whole / 2**20, outdated / 2**20)


def clean_up(root: Path) -> None:
    """Removes programs that nothing has used for a month: of other versions or weights, mostly.

    And what whoever compiled has left where it was ended in the middle.
    """
    for folder in root.glob(f"*/{UNFINISHED}*"):
        if folder.stat().st_mtime < time.time() - UNFINISHED_HOURS * 3600:
            shutil.rmtree(folder, ignore_errors=True)
    oldest = time.time() - KEPT_DAYS * 24 * 3600
    for folder in {program.parent for program in _programs(root)}:
        for program in _programs(folder.parent, folder.name):
            if program.stat().st_mtime < oldest:
                with suppress(OSError):  # Windows: a server that has run for as long uses it
                    program.unlink()
        if not any(_programs(folder.parent, folder.name)):
            shutil.rmtree(folder, ignore_errors=True)


def _programs(root: Path, folder: str = "*") -> Iterator[Path]:
    for suffix in SUFFIXES:
        yield from root.glob(f"{folder}/*{suffix}")


def _digest(what: object) -> str:
    return hashlib.sha256(repr(what).encode()).hexdigest()[:16]


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor_features() -> str:
    """What the processor can do: programs use all of it, and stop where it is missing."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")
