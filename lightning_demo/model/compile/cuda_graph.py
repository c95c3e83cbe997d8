"""CUDA graphs: all kernel launches of a call, recorded once and replayed as one.

At batch 1 an H200 computes SDXL's 1,850 kernels about as fast as Python can launch them one by one.
torch's own graph trees are not used: they keep one recording per thread and decide themselves when
to record again. Here one thread owns the device and knows its shapes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._pytree import tree_map

WARM_UPS = 3

# Records a function without arguments; returns what replays it.
Capture = Callable[[Callable[[], None]], Callable[[], None]]


class CudaGraph:
    """A function of tensors of fixed shapes, recorded on buffers of its own and replayed."""

    def __init__(
        self,
        function: Callable[..., object],
        inputs: tuple[torch.Tensor, ...],
        capture: Capture,
    ) -> None:
        """
        Args:
            function: the addresses of tensors that it closes over (parameters) must not change.
            inputs: buffers with the shapes and dtypes of all later calls. Graphs of one thread may
                share them, as each call fills them first.
        """
        self._inputs, self._function = inputs, function  # and so what it closes over
        self._output: object = None

        def body() -> None:
            self._output = self._function(*self._inputs)

        self._replay = capture(body)

    def __call__(self, *tensors: torch.Tensor) -> object:
        """The function's output for these tensors; a copy, not the graph's buffer."""
        for mine, theirs in zip(self._inputs, tensors, strict=True):
            mine.copy_(theirs, non_blocking=True)
        self._replay()
        return tree_map(lambda tensor: tensor.clone(), self._output)


def cuda_capture(cuda: Any = torch.cuda) -> Capture:
    """Records on the current CUDA device; all its graphs share a memory pool.

    A recording that fails leaves the device as it was: the next one may succeed. `torch.cuda.graph`
    would leave its stream the current one and the pool shut (as of torch 2.13): it does not expect
    `capture_end` to raise.

    Workspaces of cuBLAS are forgotten before a recording and after it, as torch's graph trees do:
    then each lies in the pool. The one that the warm-ups have taken would be freed with the first
    graph that is given up, and all others would go on writing to it.

    Args:
        cuda: stands in for `torch.cuda` in a test.
    """
    # No public function does this; torch's build for CPUs lacks it.
    forget_workspaces = getattr(torch._C, "_cuda_clearCublasWorkspaces", lambda: None)
    if cuda is not torch.cuda:
        forget_workspaces = cuda.forget_workspaces
    pool = cuda.graph_pool_handle()
    side = cuda.Stream()  # graphs that share a pool must share the stream, too
    failed: list[Any] = []  # torch's allocator of page-locked memory goes on asking them

    def capture(body: Callable[[], None]) -> Callable[[], None]:
        nonlocal pool
        side.wait_stream(cuda.current_stream())
        graph = cuda.CUDAGraph()
        with cuda.stream(side):
            for _ in range(WARM_UPS):  # lazy set-up of libraries must not be recorded
                body()
            cuda.synchronize()
            forget_workspaces()
            cuda.empty_cache()
            try:
                # Other threads pin memory meanwhile, which "global" would forbid them.
                graph.capture_begin(pool=pool, capture_error_mode="thread_local")
                try:
                    body()
                finally:
                    graph.capture_end()
                    forget_workspaces()
            except BaseException:
                if cuda is torch.cuda:
                    _give_up(pool)
                pool = cuda.graph_pool_handle()  # that one may be spoilt
                failed.append(graph)
                raise
        cuda.current_stream().wait_stream(side)
        return graph.replay

    return capture


def _give_up(pool: Any) -> None:
    """Tells the allocator that nothing is recorded into a pool any more.

    `capture_end` does so only after CUDA has ended the recording, which is what fails.
    """
    device, private = torch.cuda.current_device(), torch._C  # no public function does this
    with contextlib.suppress(AttributeError, RuntimeError):  # it had ended
        private._cuda_endAllocateToPool(device, pool)
        private._cuda_releasePool(device, pool)
