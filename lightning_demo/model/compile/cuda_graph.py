"""CUDA graphs: all kernel launches of a call, recorded once and replayed as one.

At batch 1 an H200 computes SDXL's 1,850 kernels about as fast as Python can launch them one by one.
torch's own graph trees are not used: they keep one recording per thread and decide themselves when
to record again. Here one thread owns the device and knows its shapes.
"""

from __future__ import annotations

from collections.abc import Callable

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
        self._inputs = inputs
        self._output: object = None

        def body() -> None:
            self._output = function(*self._inputs)

        self._replay = capture(body)

    def __call__(self, *tensors: torch.Tensor) -> object:
        """The function's output for these tensors; a copy, not the graph's buffer."""
        for mine, theirs in zip(self._inputs, tensors, strict=True):
            mine.copy_(theirs, non_blocking=True)
        self._replay()
        return tree_map(lambda tensor: tensor.clone(), self._output)


def cuda_capture() -> Capture:
    """Records on the current CUDA device; all its graphs share one memory pool."""
    pool = torch.cuda.graph_pool_handle()

    def capture(body: Callable[[], None]) -> Callable[[], None]:
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UPS):  # lazy set-up of libraries must not be recorded
                body()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=pool):
            body()
        return graph.replay

    return capture
