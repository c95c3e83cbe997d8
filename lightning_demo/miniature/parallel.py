"""Several processes that train one network, each on a batch of its own.

On two CPU cores two processes of one thread each train a third faster than one process of two
threads: nothing inside an operation waits for the other core. `torchrun` starts them; this module
is what the training loop needs to know of it. Without it there is one process, and nothing here
does anything.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import distributed, nn

RANK_STRIDE = 1 << 40  # keeps the seeds of different processes apart


def launch(processes: int) -> None:
    """Replaces this process by `processes` of the same command; returns where they are running."""
    if processes < 2 or "RANK" in os.environ:
        return
    runner = ("-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}")
    command = ("-m", "lightning_demo", *sys.argv[1:])
    os.execv(sys.executable, [sys.executable, *runner, *command])  # noqa: S606


def join() -> None:
    """Meets the other processes, if there are any, until this one ends."""
    if "RANK" in os.environ and not distributed.is_initialized():
        distributed.init_process_group("gloo")
        atexit.register(leave)


def leave() -> None:
    """Ends the threads of gloo: those that outlive the interpreter abort the process."""
    if distributed.is_initialized():
        distributed.destroy_process_group()


def rank() -> int:
    """Which process this is, from 0."""
    return distributed.get_rank() if distributed.is_initialized() else 0


@contextmanager
def first_alone() -> Iterator[None]:
    """Process 0 does what is inside while the others wait; then they find its files."""
    if distributed.is_initialized() and rank() > 0:
        distributed.barrier()
    yield
    if distributed.is_initialized() and rank() == 0:
        distributed.barrier()


def agree(value: float) -> float:
    """The value of process 0, so that all stop at the same step."""
    if not distributed.is_initialized():
        return value
    shared = torch.tensor([value], dtype=torch.float64)
    distributed.broadcast(shared, src=0)
    return float(shared)


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replaces every gradient by its mean over the processes, in one exchange."""
    if not distributed.is_initialized():
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    distributed.all_reduce(flat)
    flat /= distributed.get_world_size()
    sizes = [gradient.numel() for gradient in gradients]
    for gradient, mean in zip(gradients, flat.split(sizes), strict=True):
        gradient.copy_(mean.view_as(gradient))
