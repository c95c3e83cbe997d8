"""The model's functions, each in the fastest form that is ready for the given shapes.

A function starts eager. While nobody waits it is prepared for one set of shapes after another:
compiled, and on a GPU recorded as a CUDA graph. Other shapes run eagerly, so serving never compiles
and never waits for a compiler.
"""

from __future__ import annotations

import logging
import traceback
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

MAX_PROGRAMS = 128
MAX_GRAPHS = 128
MOST_REFUSALS = 3  # by a memory that is full for the moment
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
        self._programs: dict[Kind, Function] = {}  # of torch.compile
        self._ready: dict[tuple[Kind, Shapes], Function] = {}  # as they are, or their programs
        self._graphs: OrderedDict[tuple[int, Kind, Shapes], CudaGraph] = OrderedDict()
        self._preparing: frozenset[Kind] = frozenset()
        self._compiling = False  # what is prepared, else only recorded
        self._buffers: dict[tuple[int, torch.Size, torch.dtype], torch.Tensor] = {}
        self._refused: dict[tuple[int, Kind, Shapes], int] = {}  # recordings that failed
        self._compiles = speed.compile
        self.postponed = 0  # recordings for which the memory was full; worth another try

    @property
    def compiles(self) -> bool:
        """Whether functions are compiled: until the compiler fails, as it would every time."""
        return self._compiles

    def call(self, kind: Kind, function: Function, module: Any, *tensors: torch.Tensor) -> Any:
        """Computes function(module, *tensors) in the fastest form that is ready."""
        shapes = tuple((tensor.shape, tensor.dtype) for tensor in tensors)
        if kind in self._preparing:
            self._prepare(kind, function, module, tensors, shapes)
        if (kind, shapes) in self._ready:
            return self._fast(kind, function, module, tensors, shapes)
        with self._speed.attention():
            return function(module, *tensors)

    def ready(self, kind: Kind, *first: Sequence[int]) -> bool:
        """Whether a function is ready for first tensors of these shapes, whatever comes then."""
        return any(
            all(shape == torch.Size(want) for (shape, _), want in zip(shapes, first, strict=False))
            for each, shapes in self._ready
            if each == kind
        )

    @contextmanager
    def recording(self, *kinds: Kind) -> Iterator[None]:
        """Inside, these kinds of functions are recorded for each set of shapes they meet."""
        self._preparing = frozenset(kinds)
        cudnn = torch.backends.cudnn
        try:
            # Nowhere else: serving would stall over trials of a shape that comes once.
            cudnn.benchmark = self._speed.cudnn_benchmark
            yield
        finally:
            cudnn.benchmark = False
            self._preparing, self._compiling = frozenset(), False

    @contextmanager
    def compiling(self, *kinds: Kind) -> Iterator[None]:
        """The same, compiled first."""
        self._compiling = self._compiles
        with self.recording(*kinds):
            yield

    def _prepare(
        self,
        kind: Kind,
        function: Function,
        module: Any,
        tensors: tuple[torch.Tensor, ...],
        shapes: Shapes,
    ) -> None:
        compiled = self._ready.get((kind, shapes), function) is not function
        if self._compiling and not compiled:
            self._compile(kind, function, module, tensors, shapes)
        elif self._speed.cuda_graphs:
            self._ready.setdefault((kind, shapes), function)

    def _compile(
        self,
        kind: Kind,
        function: Function,
        module: Any,
        tensors: tuple[torch.Tensor, ...],
        shapes: Shapes,
    ) -> None:
        try:
            program = self._programs.get(kind) or torch.compile(
                function,
                fullgraph=True,
                dynamic=False,
                backend=self._speed.compile_backend,
                options=self._speed.compile_options,
            )
            with self._stance("default"):
                program(module, *tensors)
        except torch.OutOfMemoryError:
            raise  # of these shapes alone
        except Exception:
            log.warning("torch.compile does not work here; serving goes on without", exc_info=True)
            self._compiles = self._compiling = False
            return
        self._programs[kind] = self._ready[kind, shapes] = program
        for known in (self._graphs, self._refused):  # of the slower form
            for key in [key for key in known if key[1:] == (kind, shapes)]:
                del known[key]

    def _fast(
        self,
        kind: Kind,
        function: Function,
        module: Any,
        tensors: tuple[torch.Tensor, ...],
        shapes: Shapes,
    ) -> Any:
        prepared = self._ready[kind, shapes]
        key = (id(module), kind, shapes)
        graph = self._graphs.get(key)
        if graph is None:
            # Serving records nothing: that would hold up whoever is served.
            recording = self._speed.cuda_graphs and kind in self._preparing
            if not recording or self._refused.get(key, 0) >= MOST_REFUSALS:
                return self._plainly(prepared, module, tensors)
            try:
                graph = self._record(prepared, module, tensors)
            except RuntimeError as error:  # out of memory, too: other shapes may still fit
                log.warning("this %s cannot be recorded as a CUDA graph", kind, exc_info=True)
                passing = isinstance(error, torch.OutOfMemoryError)
                self._refused[key] = self._refused.get(key, 0) + (1 if passing else MOST_REFUSALS)
                self.postponed += self._refused[key] < MOST_REFUSALS
                traceback.clear_frames(error.__traceback__)  # they hold activations
            if graph is None:
                return self._plainly(prepared, module, tensors)
            self._graphs[key] = graph
            if len(self._graphs) > MAX_GRAPHS:
                self._graphs.popitem(last=False)
        self._graphs.move_to_end(key)
        return graph(*tensors)

    def _plainly(self, function: Function, module: Any, tensors: tuple[torch.Tensor, ...]) -> Any:
        with self._stance(SERVING):
            return function(module, *tensors)

    def _record(
        self, function: Function, module: Any, tensors: tuple[torch.Tensor, ...]
    ) -> CudaGraph:
        self._capture = self._capture or cuda_capture()
        buffers = tuple(self._buffer(*numbered) for numbered in enumerate(tensors))
        # What another recording has left in them may not fit this one: indices, for example.
        for mine, theirs in zip(buffers, tensors, strict=True):
            mine.copy_(theirs)
        with self._stance(SERVING):
            return CudaGraph(lambda *inputs: function(module, *inputs), buffers, self._capture)

    def _buffer(self, position: int, like: torch.Tensor) -> torch.Tensor:
        """One buffer for all graphs: a prompt's keys and values alone are 26 MB in SDXL."""
        key = (position, like.shape, like.dtype)
        if key not in self._buffers:
            self._buffers[key] = like.clone()
        return self._buffers[key]

    @contextmanager
    def _stance(self, stance: str) -> Iterator[None]:
        with torch.compiler.set_stance(stance), self._speed.attention():
            yield
