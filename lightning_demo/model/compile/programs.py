"""Functions of the model compiled ahead of time, as files that a server only has to load.

One process compiles a function of a module; a process that serves loads what it has left, without
tracing anything. How, is a compiler's own affair: `inductor` or `openvino`.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

import torch

from ...errors import is_out_of_memory
from ...private import private_folder, written_by_others
from .measured import MEASURED, read_measured
from .program_folder import UNFINISHED
from .speed import Speed

log = logging.getLogger(__name__)

Function: TypeAlias = Callable[..., Any]  # (module, *tensors) -> tensors
Program: TypeAlias = Callable[..., Any]  # (*tensors) -> tensors
Tensors: TypeAlias = tuple[torch.Tensor, ...]


@runtime_checkable
class Cancellable(Protocol):
    """A program whose call can be ended by another thread."""

    def cancel(self) -> None:
        """Ends the call that goes on, if there is one: it raises `Interrupted`."""


class Compiler(Protocol):
    """One way to make programs and to load them."""

    suffix: str  # of its files
    gains: bool  # whether its programs are meant to be faster
    holds_weights: bool  # whether its programs have weights of their own

    def identity(self, module: torch.nn.Module, tensors: Tensors, *, any_shape: bool) -> object:
        """What tells one program from another; by its `repr`."""

    def make(
        self,
        function: Function,
        module: torch.nn.Module,
        tensors: Tensors,
        file: Path,
        *,
        any_shape: bool,
    ) -> None:
        """Compiles function(module, *tensors) into a file. Raises whatever there is to raise.

        Args:
            any_shape: whether for tensors of all shapes, of which these are an example.
        """

    def load(self, file: Path, module: torch.nn.Module, device: torch.device) -> Program:
        """The program in a file, bound to this module."""


def compiler_of(speed: Speed) -> Compiler:
    """The compiler that `speed` names."""
    if speed.compile_backend == "openvino":  # only there is it installed
        from .openvino import OpenVino

        return OpenVino()
    from .inductor import Exported, Inductor

    return Exported(speed) if speed.compile_backend == "eager" else Inductor(speed)


class Programs:
    """The programs in a folder: of one model, one kind of device and one set of packages."""

    def __init__(self, folder: Path, speed: Speed, *, make: bool = False) -> None:
        """
        Args:
            make: whether what is missing is compiled here; else only what is there is used.
        """
        self.folder, self.makes, self._speed = folder, make, speed
        self._measured = read_measured(folder)
        self._told = ""  # why programs were not loaded

    @cached_property
    def _compiler(self) -> Compiler:
        """Only when a program is there or is to be made: another process has tried it by then."""
        return compiler_of(self._speed)

    @property
    def may_be_slower(self) -> bool:
        """Whether that has to be measured: not where programs are only made, or not to gain."""
        return self._compiler.gains and not self.makes

    @property
    def offload_folder(self) -> Path | None:
        """Where the weights of modules may go that programs have a copy of; None where none has."""
        return self.folder if self._compiler.holds_weights and not self.makes else None

    def bind(
        self,
        kind: str,
        function: Function,
        module: torch.nn.Module,
        *tensors: torch.Tensor,
        any_shape: bool = False,
    ) -> Program | None:
        """A program that computes function(module, *tensors) for tensors of these shapes, or any.

        Returns:
            None: there is none, or none that can be loaded, and none is made here. Nothing then
            counts as complete any more, so that the process that compiles makes it again.

        Raises:
            Exception: of many kinds; the compiler is missing or fails.
        """
        file = self.file(kind, module, *tensors, any_shape=any_shape)
        program = self._loaded(file, module, tensors[0].device) if file.exists() else None
        if program is None and self.makes:
            self._make(file, function, module, tensors, any_shape)
            return self._compiler.load(file, module, tensors[0].device)
        if program is None:
            for stamp in self.folder.glob("complete-*"):
                with suppress(OSError):
                    stamp.unlink()
        return program

    def file(
        self, kind: str, module: torch.nn.Module, *tensors: torch.Tensor, any_shape: bool = False
    ) -> Path:
        """Where the program for such a call is, or would be."""
        what = self._compiler.identity(module, tensors, any_shape=any_shape)
        digest = hashlib.sha256(repr(what).encode()).hexdigest()[:16]
        return self.folder / f"{kind}-{digest}{self._compiler.suffix}"

    def note(self, kind: str, before: float, after: float) -> None:
        """Writes down what a call takes without and with its program, ms: for `doctor`."""
        self._measured[kind] = (round(before, 2), round(after, 2))
        with suppress(OSError):
            (self.folder / MEASURED).write_text(json.dumps(self._measured), encoding="utf-8")

    def noted(self, kind: str) -> tuple[float, float]:
        """What was written down, also by an earlier process; zeros where nothing was."""
        return self._measured.get(kind, (0.0, 0.0))

    def _loaded(self, file: Path, module: torch.nn.Module, device: torch.device) -> Program | None:
        """A program, or None, and no longer a file, where it is damaged.

        One that another user may have written is not loaded: it is code.
        """
        if why := written_by_others(file):
            if why != self._told:
                log.warning("compiled programs are not used: %s", why)
                self._told = why
            return None
        try:
            program = self._compiler.load(file, module, device)
        except Exception as error:
            if is_out_of_memory(error):
                raise
            log.warning("%s cannot be used: %s", file.name, error)
            with suppress(OSError):
                file.unlink()
            return None
        with suppress(OSError):
            os.utime(file)  # for `clean_up`
        return program

    def _make(
        self,
        file: Path,
        function: Function,
        module: torch.nn.Module,
        tensors: Tensors,
        any_shape: bool,
    ) -> None:
        private_folder(self.folder)
        if why := written_by_others(self.folder):
            raise PermissionError(f"what is compiled could not be trusted: {why}")
        # In a folder of its own until it is whole.
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=UNFINISHED) as folder:
            beginning = Path(folder) / file.name
            self._compiler.make(function, module, tensors, beginning, any_shape=any_shape)
            beginning.replace(file)


class Call(torch.nn.Module):
    """function(module, *tensors) as a module, which compilers ask for."""

    def __init__(self, function: Function, module: torch.nn.Module) -> None:
        super().__init__()
        self.module, self._function = module, function

    def forward(self, *tensors: torch.Tensor) -> Any:
        return self._function(self.module, *tensors)
