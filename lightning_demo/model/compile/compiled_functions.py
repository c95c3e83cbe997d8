"""The model's functions, each in the fastest form that is ready for the given shapes.

A function starts eager. While nobody waits it is prepared for one set of shapes after another:
compiled, and on a GPU recorded as a CUDA graph. Other shapes run eagerly, so serving never compiles
and never waits for a compiler.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import torch

from .cuda_graph import Capture, CudaGraph, cuda_capture
from .speed import Speed

log = logging.getLogger(__name__)

Kind = Literal["unet", "decoder", "preview", "text"]
Shapes = tuple[tuple[torch.Size, torch.dtype], ...]
Function = Callable[..., Any]  # (module, *tensors) -> tensors

COMPILED_KINDS = ("unet", "decoder", "preview")  # text encoders are small: recording is enough
MAX_PROGRAMS = 128
MAX_GRAPHS = 128
# Compiled code that does not fit the given shapes runs eagerly and is never recompiled.
SERVING = "eager_on_recompile"


class CompiledFunctions:
    """Calls functions of modules. Belongs to the thread that owns the device."""

    def __init__(self, speed: Speed, capture: Capture | None = None) -> None:
        """
        Args:
            capture: records CUDA graphs; torch's own when absent.
        """
        self._speed = speed
        if speed.compile:
            # The same function becomes one program for each size, without and with guidance.
            torch._dynamo.config.recompile_limit = max(
                torch._dynamo.config.recompile_limit, MAX_PROGRAMS
            )
        self._capture = capture
        self._compiled: dict[Kind, Function] = {}
        self._ready: set[tuple[Kind, Shapes]] = set()
        self._graphs: OrderedDict[tuple[int, Kind, Shapes], CudaGraph] = OrderedDict()
        self._compiling: frozenset[Kind] = frozenset()
        self._buffers: dict[tuple[int, torch.Size, torch.dtype], torch.Tensor] = {}
        self._unrecordable: set[tuple[int, Kind, Shapes]] = set()
        self._compiles = speed.compile
        self._blocks = self._compiling_blocks = False
        self._in_blocks: dict[int, torch.nn.Module] = {}  # by id: their blocks are compiled

    @property
    def compiles(self) -> bool:
        """Whether functions are compiled: until the compiler fails, as it would every time."""
        return self._compiles

    @property
    def can_improve(self) -> bool:
        """Whether there is any form faster than the eager one."""
        return self._compiles or self._speed.cuda_graphs

    def call(self, kind: Kind, function: Function, module: Any, *tensors: torch.Tensor) -> Any:
        """Computes function(module, *tensors) in the fastest form that is ready."""
        shapes = tuple((tensor.shape, tensor.dtype) for tensor in tensors)
        if kind in self._compiling and (kind, shapes) not in self._ready:
            self._prepare(kind, function, module, tensors, shapes)
        if (kind, shapes) in self._ready:
            return self._fast(kind, function, module, tensors, shapes)
        if kind == "unet" and self._blocks:
            return self._call_by_blocks(function, module, tensors)
        with self._speed.attention():
            return function(module, *tensors)

    def by_blocks(self, *first: Sequence[int]) -> bool:
        """Whether the UNet runs block by block for first tensors of these shapes."""
        if not self._blocks or "unet" in self._compiling:
            return False
        return not self.ready("unet", *first)

    def ready(self, kind: Kind, *first: Sequence[int]) -> bool:
        """Whether a function is ready for first tensors of these shapes, whatever comes then."""
        return any(
            all(shape == torch.Size(want) for (shape, _), want in zip(shapes, first, strict=False))
            for each, shapes in self._ready
            if each == kind
        )

    @contextmanager
    def compiling(self, *kinds: Kind) -> Iterator[None]:
        """Prepares these kinds of functions inside, for each set of shapes they are called with."""
        self._compiling = frozenset(kinds)
        try:
            yield
        finally:
            self._compiling = frozenset()

    @contextmanager
    def compiling_blocks(self) -> Iterator[None]:
        """Compiles UNets block by block inside; from now on they run so where nothing faster is.

        All 70 transformer blocks of SDXL are two programs: they are ready soon. The convolutions
        between them stay eager.
        """
        if not self._compiles:
            yield
            return
        self._blocks = self._compiling_blocks = True
        try:
            yield
        except torch.OutOfMemoryError:
            self._forget_blocks()
            raise
        except Exception:
            self._forget_blocks()
            self._give_up_compiling()
        finally:
            self._compiling_blocks = False

    def _forget_blocks(self) -> None:
        self._blocks = False
        for unet in self._in_blocks.values():
            for module in unet.modules():
                module._compiled_call_impl = None
        self._in_blocks.clear()

    def _give_up_compiling(self) -> None:
        """Nothing is compiled from now on; what was stays, and recording goes on."""
        log.warning("torch.compile does not work here; serving goes on without", exc_info=True)
        self._compiles = False

    def _prepare(
        self,
        kind: Kind,
        function: Function,
        module: Any,
        tensors: tuple[torch.Tensor, ...],
        shapes: Shapes,
    ) -> None:
        if self._compiles and kind in COMPILED_KINDS:
            try:
                compiled = self._compiled.get(kind) or torch.compile(
                    function, fullgraph=True, dynamic=False, backend=self._speed.compile_backend
                )
                with self._stance("default"):
                    compiled(module, *tensors)
                self._compiled[kind] = compiled
            except torch.OutOfMemoryError:
                raise  # of these shapes alone
            except Exception:
                self._give_up_compiling()
        if self.can_improve:
            self._ready.add((kind, shapes))

    def _fast(
        self,
        kind: Kind,
        function: Function,
        module: Any,
        tensors: tuple[torch.Tensor, ...],
        shapes: Shapes,
    ) -> Any:
        compiled = self._compiled.get(kind, function)
        key = (id(module), kind, shapes)
        if not self._speed.cuda_graphs or key in self._unrecordable:
            with self._stance(SERVING):
                return compiled(module, *tensors)
        graph = self._graphs.get(key)
        if graph is None:
            try:
                graph = self._record(compiled, module, tensors)
            except RuntimeError:  # out of memory, too: other shapes may still fit
                log.warning("this %s cannot be recorded as a CUDA graph", kind, exc_info=True)
                self._unrecordable.add(key)
                return self._fast(kind, function, module, tensors, shapes)
            self._graphs[key] = graph
            if len(self._graphs) > MAX_GRAPHS:
                self._graphs.popitem(last=False)
        self._graphs.move_to_end(key)
        return graph(*tensors)

    def _record(
        self, function: Function, module: Any, tensors: tuple[torch.Tensor, ...]
    ) -> CudaGraph:
        self._capture = self._capture or cuda_capture()
        buffers = tuple(self._buffer(*numbered) for numbered in enumerate(tensors))
        with self._stance(SERVING):
            return CudaGraph(lambda *inputs: function(module, *inputs), buffers, self._capture)

    def _buffer(self, position: int, like: torch.Tensor) -> torch.Tensor:
        """One buffer for all graphs: a prompt's keys and values alone are 26 MB in SDXL."""
        key = (position, like.shape, like.dtype)
        if key not in self._buffers:
            self._buffers[key] = like.clone()
        return self._buffers[key]

    def _call_by_blocks(
        self, function: Function, unet: Any, tensors: tuple[torch.Tensor, ...]
    ) -> Any:
        if id(unet) not in self._in_blocks:
            self._in_blocks[id(unet)] = unet  # first, so that a failure half way is undone
            backend = self._speed.compile_backend
            unet.compile_repeated_blocks(fullgraph=True, dynamic=False, backend=backend)
        with self._stance("default" if self._compiling_blocks else SERVING):
            return function(unet, *tensors)

    @contextmanager
    def _stance(self, stance: str) -> Iterator[None]:
        with torch.compiler.set_stance(stance), self._speed.attention():
            yield
