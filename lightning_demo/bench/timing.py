"""Wall time and memory of work on any device, and what was logged meanwhile."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch

from .report import percentile

Call = Callable[[], object]


class Clock:
    """Measures calls on one device: a GPU is waited for before and after."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._cuda = device.type == "cuda"

    def ms(self, call: Call) -> float:
        """Milliseconds of one call."""
        self._wait()
        begun = time.perf_counter()
        call()
        self._wait()
        return (time.perf_counter() - begun) * 1000

    def median(self, call: Call, rounds: int) -> float:
        """Median milliseconds of a call, after one that does not count."""
        return percentile(self.side_by_side({"": call}, rounds)[""], 0.5)

    def side_by_side(self, calls: Mapping[str, Call], rounds: int) -> dict[str, list[float]]:
        """Every call's milliseconds, taken in turns.

        Whatever else the machine does meanwhile slows all of them. The first turn does not count.
        """
        turns = [{name: self.ms(call) for name, call in calls.items()} for _ in range(rounds + 1)]
        return {name: [turn[name] for turn in turns[1:]] for name in calls}

    def forget_peak(self) -> None:
        """From here on `peak_mb` counts; on a CPU it is the whole process's life."""
        if self._cuda:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.device)

    def allocated(self) -> int:
        """Bytes of tensors on a GPU; 0 elsewhere."""
        return torch.cuda.memory_allocated(self.device) if self._cuda else 0

    def peak_mb(self, others: int = 0) -> float | None:
        """The most memory in use at once, MB: tensors on a GPU, else the process's resident set.

        None where the system does not tell.

        Args:
            others: bytes on a GPU that do not count.
        """
        if self._cuda:
            return round((torch.cuda.max_memory_allocated(self.device) - others) / 1e6)
        try:
            import resource
        except ImportError:  # Windows
            return None
        unit = 1 if sys.platform == "darwin" else 1024
        return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6)

    def _wait(self) -> None:
        if self.device.type != "cpu":
            torch.accelerator.synchronize(self.device)


def traced() -> int:
    """How many functions torch's compiler has traced in this process: serving traces none."""
    dynamo = sys.modules.get("torch._dynamo.utils")
    return sum(dynamo.counters["frames"].values()) if dynamo else 0


@contextmanager
def problems() -> Iterator[list[str]]:
    """Collects what the project logs as a warning or an error inside: the model goes on without
    a compiler or a recording that failed, and only says so in the log."""
    found: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            error = record.exc_info[1] if record.exc_info else None
            cause = f" ({type(error).__name__}: {str(error)[:500]})" if error else ""
            found.append(record.getMessage() + cause)

    collector = Collector(logging.WARNING)
    logger = logging.getLogger("lightning_demo")
    logger.addHandler(collector)
    try:
        yield found
    finally:
        logger.removeHandler(collector)
