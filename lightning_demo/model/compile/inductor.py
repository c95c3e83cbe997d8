"""Programs by torch's own compiler: exported (torch.export), then compiled (AOTInductor).

They hold no weights. A process that serves loads one within milliseconds and binds it to a module's
parameters where they are: what is overwritten in place acts at once. Each is for one set of shapes.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import torch

from .programs import Call, Function, Program, Tensors
from .speed import Speed
from .toolchain import compiler_variables, driver_variables

# Weights stay outside, also small ones, and nothing is computed from them beforehand.
WITHOUT_WEIGHTS = {
    "always_keep_tensor_constants": True,
    "aot_inductor.package_constants_in_so": False,
    "aot_inductor.use_runtime_constant_folding": False,
}


class Exported:
    """Programs that are only exported: computed by torch's usual kernels, and no faster.

    They tell a fault of the compiler from one of the model's code.
    """

    suffix = ".pt2"
    gains = holds_weights = False

    def __init__(self, speed: Speed) -> None:
        self._speed = speed

    def identity(self, module: torch.nn.Module, tensors: Tensors, *, any_shape: bool) -> object:
        """Calls of other shapes, modules with other layers, other options."""
        every = [*named_tensors(module).values(), *tensors]
        what = [(tuple(each.shape), each.stride(), each.dtype, each.device.type) for each in every]
        config = {k: v for k, v in getattr(module, "config", {}).items() if k[0] != "_"}
        return self._speed.compile_backend, self._speed.compile_options, config, what

    def make(
        self,
        function: Function,
        module: torch.nn.Module,
        tensors: Tensors,
        file: Path,
        *,
        any_shape: bool,
    ) -> None:
        """See `Compiler.make`."""
        with torch.inference_mode(False), self._speed.attention(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the compiler about itself
            # Clones: tensors made in inference mode cannot be traced.
            examples = tuple(tensor.clone() for tensor in tensors)
            with torch.no_grad():
                exported = torch.export.export(Call(function, module), examples, strict=False)
            self._write(exported, tensors[0].device, file)

    def _write(
        self, exported: torch.export.ExportedProgram, device: torch.device, file: Path
    ) -> None:
        for name in exported.state_dict:
            exported.state_dict[name] = torch.nn.Parameter(torch.empty(0), False)
        torch.export.save(exported, file)

    def load(self, file: Path, module: torch.nn.Module, device: torch.device) -> Program:
        """See `Compiler.load`. The parameters' addresses must not change; their values may."""
        tensors = named_tensors(module)
        exported = torch.export.load(file)
        for bound in (exported.state_dict, exported.constants):  # persistent, and not
            bound.update({name: tensors[name] for name in bound})
        return exported.module(check_guards=False)


class Inductor(Exported):
    """Compiled programs."""

    gains = True

    def _write(
        self, exported: torch.export.ExportedProgram, device: torch.device, file: Path
    ) -> None:
        cuda = device.type == "cuda" and torch.version.hip is None
        os.environ.update(compiler_variables(cuda=cuda))
        if cuda:
            os.environ.update(driver_variables(file.parents[1] / "driver"))
        torch._inductor.aoti_compile_and_package(
            exported,
            package_path=str(file),
            inductor_configs={**WITHOUT_WEIGHTS, **self._speed.compile_options},
        )

    def load(self, file: Path, module: torch.nn.Module, device: torch.device) -> Program:
        """See `Compiler.load`. The parameters' addresses must not change; their values may."""
        tensors = named_tensors(module)
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
