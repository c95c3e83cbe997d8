"""The model's functions, each in the fastest form that is ready for a module and the given shapes.

A function starts eager. While nobody waits it is prepared for one set of shapes after another: a
program that was compiled beforehand takes its place, and on a GPU it is recorded as a CUDA graph.
Other shapes run eagerly, so serving never compiles and never waits for a compiler.
"""

from __future__ import annotations

import logging
import traceback
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, TypeAlias

import torch

from ...errors import is_out_of_memory
from .cuda_graph import Capture, CudaGraph, cuda_capture
from .programs import Function, Program, Programs
from .speed import Speed

log = logging.getLogger(__name__)

Kind = Literal["unet", "decoder", "preview", "text"]
Shapes: TypeAlias = tuple[tuple[torch.Size, torch.dtype, tuple[int, ...]], ...]  # with strides
Key: TypeAlias = tuple[int, Kind, Shapes]  # of a module by its id

MAX_GRAPHS = 128
MOST_REFUSALS = 3  # by a memory that is full for the moment


class CompiledFunctions:
    """Calls functions of modules. Belongs to the thread that owns the device."""

    def __init__(
        self, speed: Speed, capture: Capture | None = None, programs: Programs | None = None
    ) -> None:
        """
        Args:
            capture: records CUDA graphs; torch's own when absent.
            programs: what has been compiled; nothing is compiled without.
        """
        self._speed, self._capture = speed, capture
        self._compiler = programs if speed.compile else None
        self._programs: dict[Key, Program] = {}
        self._modules: dict[int, Any] = {}  # what has forms stays, and so does its id
        self._graphs: OrderedDict[Key, CudaGraph] = OrderedDict()
        self._preparing: frozenset[Kind] = frozenset()
        self._compiling = False  # what is prepared, else only recorded
        self._buffers: dict[tuple[Any, ...], torch.Tensor] = {}
        self._refused: dict[Key, int] = {}  # recordings that failed
        self.postponed = 0  # recordings for which the memory was full; worth another try
        self.given_up = 0  # calls that stay slower for good

    @property
    def compiles(self) -> bool:
        """Whether there are compiled programs, or will be: until one fails, as all then would."""
        return self._compiler is not None

    def call(self, kind: Kind, function: Function, module: Any, *tensors: torch.Tensor) -> Any:
        """Computes function(module, *tensors) in the fastest form that is ready."""
        shapes = tuple((tensor.shape, tensor.dtype, tensor.stride()) for tensor in tensors)
        key = id(module), kind, shapes
        if kind in self._preparing:
            self._prepare(key, function, module, tensors)
        if (graph := self._graphs.get(key)) is not None:
            self._graphs.move_to_end(key)
            return graph(*tensors)
        if (program := self._programs.get(key)) is not None:
            return program(*tensors)
        return self._eagerly(function, module, tensors)

    def ready(self, kind: Kind, module: Any, *first: Sequence[int]) -> bool:
        """Whether a form is ready for first tensors of these shapes, whatever comes then."""
        wanted = [torch.Size(shape) for shape in first]
        return any(
            (owner, each) == (id(module), kind)
            and all(shape == want for (shape, _, _), want in zip(shapes, wanted, strict=False))
            for forms in (self._graphs, self._programs)
            for owner, each, shapes in forms
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
        """The same, by the programs that have been compiled."""
        self._compiling = True
        with self.recording(*kinds):
            yield

    def _prepare(
        self, key: Key, function: Function, module: Any, tensors: tuple[torch.Tensor, ...]
    ) -> None:
        self._modules[id(module)] = module
        compiles = self._compiling and key not in self._programs
        if compiles and self._bind(key, function, module, tensors):
            self._graphs.pop(key, None)  # of the slower form
            self._refused.pop(key, None)
        if (
            self._speed.cuda_graphs
            and key not in self._graphs
            and self._refused.get(key, 0) < MOST_REFUSALS
        ):
            self._record(key, function, module, tensors)

    def _bind(
        self, key: Key, function: Function, module: Any, tensors: tuple[torch.Tensor, ...]
    ) -> bool:
        """Whether there is a program for these shapes now."""
        if self._compiler is None:
            return False
        try:
            program = self._compiler.bind(key[1], function, module, *tensors)
            if program is None:
                self.given_up += 1
                return False
            program(*tensors)  # the first call loads its kernels
        except Exception as error:
            if is_out_of_memory(error):
                raise  # of these shapes alone
            log.warning("compiling does not work here; serving goes on without", exc_info=True)
            self._compiler = None
            return False
        self._programs[key] = program
        return True

    def _record(
        self, key: Key, function: Function, module: Any, tensors: tuple[torch.Tensor, ...]
    ) -> None:
        def body(*inputs: torch.Tensor) -> Any:
            program = self._programs.get(key)
            return program(*inputs) if program else self._eagerly(function, module, inputs)

        self._capture = self._capture or cuda_capture()
        buffers = tuple(self._buffer(*numbered) for numbered in enumerate(tensors))
        # What another recording has left in them may not fit this one: indices, for example.
        for mine, theirs in zip(buffers, tensors, strict=True):
            mine.copy_(theirs)
        try:
            self._graphs[key] = CudaGraph(body, buffers, self._capture)
        except RuntimeError as error:  # out of memory, too: other shapes may still fit
            log.warning("this %s cannot be recorded as a CUDA graph", key[1], exc_info=True)
            passing = is_out_of_memory(error)
            refused = self._refused.get(key, 0) + (1 if passing else MOST_REFUSALS)
            self._refused[key] = refused
            self.postponed += refused < MOST_REFUSALS
            self.given_up += refused >= MOST_REFUSALS
            traceback.clear_frames(error.__traceback__)  # they hold activations
        if len(self._graphs) > MAX_GRAPHS:
            self._graphs.popitem(last=False)

    def _eagerly(self, function: Function, module: Any, tensors: tuple[torch.Tensor, ...]) -> Any:
        with self._speed.attention():
            return function(module, *tensors)

    def _buffer(self, position: int, like: torch.Tensor) -> torch.Tensor:
        """One buffer for all graphs: a prompt's keys and values alone are 26 MB in SDXL."""
        key = (position, like.shape, like.dtype, like.stride())
        if key not in self._buffers:
            self._buffers[key] = like.clone()
        return self._buffers[key]
