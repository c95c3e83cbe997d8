"""Functions of the model compiled ahead of time, as files that a server only has to load.

One process exports a function for one set of shapes (torch.export) and compiles it (AOTInductor) to
a shared library that holds no weights. A process that serves loads it within milliseconds, without
tracing anything, and binds it to a module's parameters where they are: what is overwritten in place
acts at once.
"""

from __future__ import annotations

import hashlib
import logging
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import torch

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


class Programs:
    """The programs in a folder: of one model, one kind of device and one set of packages."""

    def __init__(self, folder: Path, speed: Speed, *, make: bool = False) -> None:
        """
        Args:
            make: whether what is missing is compiled here; else only what is there is used.
        """
        self._folder, self._speed, self._make = folder, speed, make

    def bind(
        self, kind: str, function: Function, module: torch.nn.Module, *tensors: torch.Tensor
    ) -> Program | None:
        """A program that computes function(module, *tensors) for tensors of these shapes.

        The addresses of the module's parameters must not change; their values may.

        Returns:
            None: there is none, and none is made here.

        Raises:
            Exception: of many kinds; the file is damaged, or the compiler is missing or fails.
        """
        file = self._folder / f"{kind}-{self._digest(module, tensors)}.pt2"
        if not file.exists():
            if not self._make:
                return None
            file.parent.mkdir(parents=True, exist_ok=True)
            beginning = file.with_suffix(f".{os.getpid()}.pt2")
            with torch.inference_mode(False), self._speed.attention(), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of the compiler about itself
                self._compile(function, module, tensors, beginning)
            beginning.replace(file)
        return self._load(file, module, tensors[0].device)

    def _digest(self, module: torch.nn.Module, tensors: tuple[torch.Tensor, ...]) -> str:
        """Tells calls of other shapes, modules with other layers and other options apart."""
        every = [*named_tensors(module).values(), *tensors]
        what = [(tuple(each.shape), each.stride(), each.dtype, each.device.type) for each in every]
        options = self._speed.compile_backend, self._speed.compile_options
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
        device = tensors[0].device.type
        os.environ.update(compiler_variables(device))
        if device == "cuda":
            os.environ.update(driver_variables(self._folder / "driver"))
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
