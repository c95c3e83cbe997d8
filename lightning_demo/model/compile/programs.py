"""Functions of the model compiled ahead of time, as files that a server only has to load.

One process exports a function for one set of shapes (torch.export) and compiles it (AOTInductor) to
a shared library that holds no weights. A process that serves loads it within milliseconds, without
tracing anything, and binds it to a module's parameters where they are: what is overwritten in place
acts at once.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import logging
import os
import platform
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeAlias

import torch

from ...errors import is_out_of_memory
from .speed import Speed
from .toolchain import compiler_variables, driver_variables

log = logging.getLogger(__name__)

Function: TypeAlias = Callable[..., Any]  # (module, *tensors) -> tensors
Program: TypeAlias = Callable[..., Any]  # (*tensors) -> tensors

# Weights stay outside, also small ones, and nothing is computed from them beforehand.
WITHOUT_WEIGHTS = {
    "always_keep_tensor_constants": True,
    "aot_inductor.package_constants_in_so": False,
    "aot_inductor.use_runtime_constant_folding": False,
}

PACKAGES = ("torch", "torchao", "diffusers", "transformers")
MODEL_CODE = Path(__file__).parents[1]
# Of `Speed`: what is done with programs, not what is in them.
OUTSIDE = ("compile", "cuda_graphs", "cudnn_benchmark")
KEPT_DAYS = 30  # that a folder of programs which nobody uses stays


def program_folder(root: Path, name: str, speed: Speed, device_name: str) -> Path:
    """Where programs are kept that fit this model, device, machine, code and these packages."""
    what = {
        "speed": {key: value for key, value in asdict(speed).items() if key not in OUTSIDE},
        "device": device_name,
        "threads": torch.get_num_threads() if device_name == "cpu" else None,
        "packages": [_version(package) for package in PACKAGES],
        "processor": [platform.machine(), _processor_features()],
        "code": [file.read_text(encoding="utf-8") for file in sorted(MODEL_CODE.rglob("*.py"))],
    }
    return root / f"{name}-{hashlib.sha256(repr(what).encode()).hexdigest()[:16]}"


def clean_up(root: Path) -> None:
    """Removes programs that nothing has used for a month: of other versions, mostly."""
    oldest = time.time() - KEPT_DAYS * 24 * 3600
    for folder in {program.parent for program in root.glob("*/*.pt2")}:
        if max(program.stat().st_mtime for program in folder.glob("*.pt2")) < oldest:
            shutil.rmtree(folder, ignore_errors=True)


class Programs:
    """The programs in a folder: of one model, one kind of device and one set of packages."""

    def __init__(self, folder: Path, speed: Speed, *, make: bool = False) -> None:
        """
        Args:
            make: whether what is missing is compiled here; else only what is there is used.
        """
        self.folder, self._speed, self._make = folder, speed, make

    def bind(
        self, kind: str, function: Function, module: torch.nn.Module, *tensors: torch.Tensor
    ) -> Program | None:
        """A program that computes function(module, *tensors) for tensors of these shapes.

        The addresses of the module's parameters must not change; their values may.

        Returns:
            None: there is none, or none that can be loaded, and none is made here. Nothing then
            counts as complete any more, so that the process that compiles makes it again.

        Raises:
            Exception: of many kinds; the compiler is missing or fails.
        """
        file = self.folder / f"{kind}-{self._digest(module, tensors)}.pt2"
        program = self._loaded(file, module, tensors[0].device) if file.exists() else None
        if program is None and self._make:
            self._make_file(file, function, module, tensors)
            return self._load(file, module, tensors[0].device)
        if program is None:
            for stamp in self.folder.glob("complete-*"):
                stamp.unlink(missing_ok=True)
        return program

    def _loaded(self, file: Path, module: torch.nn.Module, device: torch.device) -> Program | None:
        """A program, or None, and no longer a file, where it is damaged."""
        try:
            program = self._load(file, module, device)
        except Exception as error:
            if is_out_of_memory(error):
                raise
            log.warning("%s cannot be used: %s", file.name, error)
            file.unlink(missing_ok=True)
            return None
        with suppress(OSError):
            os.utime(file)  # for `clean_up`
        return program

    def _make_file(
        self,
        file: Path,
        function: Function,
        module: torch.nn.Module,
        tensors: tuple[torch.Tensor, ...],
    ) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        # In a folder of its own until it is whole.
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            beginning = Path(folder) / file.name
            with torch.inference_mode(False), self._speed.attention(), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of the compiler about itself
                self._compile(function, module, tensors, beginning)
            beginning.replace(file)

    def _digest(self, module: torch.nn.Module, tensors: tuple[torch.Tensor, ...]) -> str:
        """Tells calls of other shapes, modules with other layers and other options apart."""
        every = [*named_tensors(module).values(), *tensors]
        what = [(tuple(each.shape), each.stride(), each.dtype, each.device.type) for each in every]
        config = {k: v for k, v in getattr(module, "config", {}).items() if k[0] != "_"}
        options = self._speed.compile_backend, self._speed.compile_options, config
        return hashlib.sha256(repr((options, what)).encode()).hexdigest()[:16]

    def _compile(
        self,
        function: Function,
        module: torch.nn.Module,
        tensors: tuple[torch.Tensor, ...],
        file: Path,
    ) -> None:
        # Clones: tensors made in inference mode cannot be traced.
        examples = tuple(tensor.clone() for tensor in tensors)
        with torch.no_grad():
            exported = torch.export.export(_Call(function, module), examples, strict=False)
        if self._speed.compile_backend == "eager":
            for name in exported.state_dict:
                exported.state_dict[name] = torch.nn.Parameter(torch.empty(0), False)
            torch.export.save(exported, file)
            return
        cuda = tensors[0].device.type == "cuda" and torch.version.hip is None
        os.environ.update(compiler_variables(cuda=cuda))
        if cuda:
            os.environ.update(driver_variables(self.folder / "driver"))
        torch._inductor.aoti_compile_and_package(
            exported,
            package_path=str(file),
            inductor_configs={**WITHOUT_WEIGHTS, **self._speed.compile_options},
        )

    def _load(self, file: Path, module: torch.nn.Module, device: torch.device) -> Program:
        tensors = named_tensors(module)
        if self._speed.compile_backend == "eager":
            exported = torch.export.load(file)
            for bound in (exported.state_dict, exported.constants):  # persistent, and not
                bound.update({name: tensors[name] for name in bound})
            return exported.module(check_guards=False)
        program = torch._inductor.aoti_load_package(
            str(file),
            run_single_threaded=True,  # it may be recorded as a CUDA graph
            device_index=-1 if device.index is None else device.index,
        )
        names = program.get_constant_fqns()
        program.load_constants(
            {name: tensors[name] for name in names}, check_full_update=True, user_managed=True
        )
        return program


class _Call(torch.nn.Module):
    """function(module, *tensors) as a module, which torch.export asks for."""

    def __init__(self, function: Function, module: torch.nn.Module) -> None:
        super().__init__()
        self.module, self._function = module, function

    def forward(self, *tensors: torch.Tensor) -> Any:
        return self._function(self.module, *tensors)


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


def named_tensors(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Parameters and buffers by the names that a program gives them.

    One that consists of several (rounded weights with their scales) is several in a program.
    """
    found: dict[str, torch.Tensor] = {}
    for tensors in (module.named_parameters, module.named_buffers):
        for name, tensor in tensors("module", remove_duplicate=False):
            found[name] = tensor
            if hasattr(tensor, "__tensor_flatten__"):
                path, _, last = name.rpartition(".")
                parts, _ = tensor.__tensor_flatten__()
                for number, part in enumerate(parts):
                    there = f"{path}.parametrizations.{last}.original{number}"
                    found[there] = getattr(tensor, part)
    return found
