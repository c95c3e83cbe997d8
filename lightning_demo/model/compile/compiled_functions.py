"""The model's functions, each in the fastest form that is ready for a module and the given shapes.

A function starts eager. While nobody waits it is prepared for one set of shapes after another: a
program that was compiled beforehand takes its place, and on a GPU it is recorded as a CUDA graph.
Other shapes run eagerly, so serving never compiles and never waits for a compiler. On a CPU a
program takes its place only if it proves faster there.
"""

from __future__ import annotations

import logging
import math
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal, TypeAlias

import torch

from ...errors import Interrupted, is_out_of_memory
from ..host_memory import give_back_freed
from .cuda_graph import Capture, CudaGraph, cuda_capture
from .disk_offload import DiskOffload
from .programs import Cancellable, Function, Program, Programs
from .speed import Speed

log = logging.getLogger(__name__)

Kind = Literal["unet", "decoder", "preview", "text"]
Shapes: TypeAlias = tuple[tuple[torch.Size, torch.dtype, tuple[int, ...]], ...]  # with strides
Callback: TypeAlias = Callable[[], Any]
Key: TypeAlias = tuple[int, Kind, Shapes]  # of a module by its id

ANY_SHAPE: Shapes = ()
MAX_GRAPHS = 128
MOST_REFUSALS = 3  # by a memory that is full for the moment
MOST_MISSES = 2  # of a program that should be there
CLEARLY = 1.2  # times faster
TRIALS, MOST_TRIALS = 3, 10  # of a program and of what it replaces; the quickest of each counts
TRIAL_SECONDS = 0.1  # after which the least are enough


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
        self._speed, self._given = speed, capture
        self._captures: dict[bool, Capture] = {}
        self.apart: frozenset[Kind] = frozenset()  # what another thread calls meanwhile
        self._compiler = programs if speed.compile else None
        self._programs: dict[Key, Program] = {}
        self._modules: dict[int, Any] = {}  # what has forms stays, and so does its id
        self._graphs: OrderedDict[Key, CudaGraph] = OrderedDict()
        self._preparing: frozenset[Kind] = frozenset()
        self._compiling = False  # what is prepared, else only recorded
        self._any_shape = False  # of what is compiled
        self._buffers: dict[tuple[Any, ...], torch.Tensor] = {}
        self._refused: dict[Key, int] = {}  # recordings that failed
        self._missed: dict[Key, int] = {}  # programs that were not there
        self._offloads: dict[int, DiskOffload | None] = {}  # of a module by its id
        self._faster: dict[str, bool] = {}  # whether programs are, where that was measured
        self.unfit: set[Kind] = set()  # whose calls met programs, but none for their shapes
        self.made = 0  # recordings, and programs that serve
        self.postponed = 0  # what could not be done at the moment; worth another try
        self.given_up = 0  # calls that stay slower for good
        self.failed = 0  # programs that have failed in service, and serve no more

    @property
    def compiles(self) -> bool:
        """Whether there are compiled programs, or will be: until one fails, as all then would."""
        return self._compiler is not None

    @property
    def makes(self) -> bool:
        """Whether programs that are missing are made here."""
        return self._compiler is not None and self._compiler.makes

    @property
    def compiled_tier(self) -> str:
        """What calls are that have been compiled, for people."""
        by_openvino = self._speed.compile_backend == "openvino"
        return "OpenVINO" if by_openvino else "compiled"

    def call(self, kind: Kind, function: Function, module: Any, *tensors: torch.Tensor) -> Any:
        """Computes function(module, *tensors) in the fastest form that is ready."""
        shapes = tuple((tensor.shape, tensor.dtype, tensor.stride()) for tensor in tensors)
        key = id(module), kind, shapes
        if kind in self._preparing:
            self._prepare(key, function, module, tensors)
        if (graph := self._graphs.get(key)) is not None:
            self._graphs.move_to_end(key)
            return graph(*tensors)
        if (program := self._program(key)) is not None:
            try:
                return program(*tensors)
            except Interrupted:
                raise
            except Exception as error:
                if is_out_of_memory(error):
                    raise  # of these shapes alone
                log.exception("a compiled %s has failed; it is computed as before now", kind)
                self._programs = {each: p for each, p in self._programs.items() if p != program}
                self.failed += 1
        elif kind not in self._preparing and any(each[:2] == key[:2] for each in self._programs):
            self.unfit.add(kind)
        return self._eagerly(function, module, tensors)

    def cancel(self, kind: Kind) -> None:
        """Ends a program's call of this kind on another thread, with `Interrupted`, if it can."""
        for (_, each, _), program in list(self._programs.items()):
            if each == kind and isinstance(program, Cancellable):
                program.cancel()

    def _program(self, key: Key) -> Program | None:
        return self._programs.get(key) or self._programs.get((*key[:2], ANY_SHAPE))

    def ready(self, kind: Kind, module: Any, *first: Sequence[int]) -> bool:
        """Whether a form is ready for first tensors of these shapes, whatever comes then.

        Not while a program for any shape is prepared: its example has rows that stay together.
        """
        if self._compiling and self._any_shape and kind in self._preparing:
            return False
        wanted = [torch.Size(shape) for shape in first]
        return any(
            (owner, each) == (id(module), kind)
            and all(shape == want for (shape, _, _), want in zip(shapes, wanted, strict=False))
            for forms in (self._graphs, self._programs)
            for owner, each, shapes in list(forms)  # another thread may use one meanwhile
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
    def compiling(self, *kinds: Kind, any_shape: bool = False) -> Iterator[None]:
        """The same, by the programs that have been compiled.

        Args:
            any_shape: whether one program is to serve all shapes.
        """
        self._compiling, self._any_shape = True, any_shape
        with self.recording(*kinds):
            yield

    def _prepare(
        self, key: Key, function: Function, module: Any, tensors: tuple[torch.Tensor, ...]
    ) -> None:
        self._modules[id(module)] = module
        wanted = (*key[:2], ANY_SHAPE) if self._any_shape else key
        if self._compiling and wanted not in self._programs:
            if self._bind(wanted, function, module, tensors):
                self._graphs.pop(key, None)  # of the slower form
                self._refused.pop(key, None)
            self._save_memory(module)
        if (
            self._speed.cuda_graphs
            and key not in self._graphs
            and self._refused.get(key, 0) < MOST_REFUSALS
        ):
            self._record(key, function, module, tensors)

    def _bind(
        self, key: Key, function: Function, module: Any, tensors: tuple[torch.Tensor, ...]
    ) -> bool:
        """Whether there is a program for these shapes, or any, now."""
        if self._compiler is None:
            return False
        try:
            program = self._compiler.bind(
                key[1], function, module, *tensors, any_shape=self._any_shape
            )
            if program is None:
                self._missed[key] = missed = self._missed.get(key, 0) + 1
                self.postponed += missed < MOST_MISSES
                self.given_up += missed >= MOST_MISSES
                return False
            program(*tensors)  # the first call loads its kernels
            name = f"{key[1]} of any shape" if key[2] == ANY_SHAPE else key[1]
            before = partial(self._eagerly, function, module, tensors)
            if not self._is_faster(name, partial(program, *tensors), before, tensors[0].device):
                self.given_up += 1
                return False
        except Exception as error:
            if is_out_of_memory(error):
                raise  # of these shapes alone
            log.warning("compiling does not work here; serving goes on without", exc_info=True)
            self._compiler = None
            return False
        self._programs[key] = program
        self.made += 1
        return True

    def _save_memory(self, module: torch.nn.Module) -> None:
        """Leaves on disk those weights that a program now has, too; in memory where that fails."""
        if self._compiler is None or (folder := self._compiler.offload_folder) is None:
            return
        number = id(module)
        try:
            if number not in self._offloads and any(key[0] == number for key in self._programs):
                self._offloads[number] = DiskOffload(module, folder)
            if (offload := self._offloads.get(number)) is not None:
                offload.rest()
        except (OSError, RuntimeError) as error:
            log.warning("weights stay in memory a second time: %s", error)
            self._offloads[number] = None
        give_back_freed()  # what loading has left, too

    def _is_faster(
        self, name: str, program: Callback, replaced: Callback, device: torch.device
    ) -> bool:
        """Whether programs of this name are faster than what they replace.

        Measured once, and not again at the next start where they were clearly faster. On a GPU they
        are, and what a call takes shows only when it has been recorded.
        """
        if self._compiler is None or not self._compiler.may_be_slower or device.type != "cpu":
            return True
        before, after = self._compiler.noted(name)
        if before > CLEARLY * after:
            return True
        if name not in self._faster:
            before = after = math.inf
            begun = time.perf_counter()
            for number in range(MOST_TRIALS):
                before, after = min(before, _ms(replaced)), min(after, _ms(program))
                if number + 1 >= TRIALS and time.perf_counter() - begun > TRIAL_SECONDS:
                    break
            self._faster[name] = after < before
            self._compiler.note(name, before, after)
            if after >= before:
                log.warning("the compiled %s is no faster here and is not used", name)
        return self._faster[name]

    def _record(
        self, key: Key, function: Function, module: Any, tensors: tuple[torch.Tensor, ...]
    ) -> None:
        def body(*inputs: torch.Tensor) -> Any:
            program = self._program(key)
            return program(*inputs) if program else self._eagerly(function, module, inputs)

        # Two replays on two streams may share neither buffers nor a pool of memory.
        apart = key[1] in self.apart
        if apart not in self._captures:
            self._captures[apart] = self._given or cuda_capture()
        buffers = tuple(self._buffer(apart, *numbered) for numbered in enumerate(tensors))
        # What another recording has left in them may not fit this one: indices, for example.
        for mine, theirs in zip(buffers, tensors, strict=True):
            mine.copy_(theirs)
        try:
            self._graphs[key] = CudaGraph(body, buffers, self._captures[apart])
            self.made += 1
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

    def _buffer(self, apart: bool, position: int, like: torch.Tensor) -> torch.Tensor:
        """One buffer for all graphs: a prompt's keys and values alone are 26 MB in SDXL."""
        key = (apart, position, like.shape, like.dtype, like.stride())
        if key not in self._buffers:
            self._buffers[key] = like.clone()
        return self._buffers[key]


def _ms(call: Callback) -> float:
    begun = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - begun)
