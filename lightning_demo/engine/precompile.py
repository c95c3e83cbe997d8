"""A child process that compiles the model beforehand, so that the one that serves need not.

Compiling takes minutes and holds Python's lock for seconds at a time, and pictures would wait for
it. The child compiles the same functions on the same device and leaves them as files, which the
server loads. What no child has compiled is never compiled in a process that serves.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

log = logging.getLogger(__name__)

Size: TypeAlias = tuple[int, int]  # (width, height), px

PACKAGE = Path(__file__).resolve().parents[1]
COMMAND = (sys.executable, "-m", "lightning_demo", "compile", "--until-stdin-closes")


def stamp(folder: Path, plan: str, size: Size) -> Path:
    """A file that says that all programs for a size are in this folder.

    Args:
        plan: `MemoryPlan.as_option`, which decides what is compiled.
    """
    return folder / f"complete-{plan.replace(',', '-')}-{size[0]}x{size[1]}"


class Precompiler:
    """Runs the child for one size after another; it ends with this process, however that ends."""

    def __init__(
        self,
        stamp: Callable[[Size], Path],
        environment: Mapping[str, str],
        *,
        may_run: bool = True,
        command: Sequence[str] = COMMAND,
    ) -> None:
        """
        Args:
            stamp: by size, the file that the child writes when it is done.
            environment: variables of the child beside this process's own.
            may_run: whether the device has room for a child.
            command: of the child; `--size` and the size follow.
        """
        self._stamp, self._environment, self._command = stamp, environment, command
        self._may_run = may_run
        self._child: subprocess.Popen[bytes] | None = None
        self._size: Size = (0, 0)  # that it compiles

    def may_compile(self, size: Size, start: bool = True) -> bool | None:
        """Whether a size has been compiled; None: it will not be.

        Args:
            start: whether the child may be started for it.
        """
        if self._child is not None and (code := self._child.poll()) is not None:
            self._forget()
            if code != 0:
                log.warning("compiling ended with code %s; serving goes on without", code)
            elif not self._done(self._size):
                log.warning("what was compiled is of other code; serving goes on without")
            self._may_run = code == 0 and self._done(self._size)
        if self._done(size):
            return True
        if self._child is None and self._may_run and start:
            self._start(size)
        return False if self._child is not None or (self._may_run and not start) else None

    def stop(self) -> None:
        """Ends the child."""
        if self._child is not None:
            self._child.terminate()
            self._child.wait()
            self._forget()

    def _done(self, size: Size) -> bool:
        try:
            return self._stamp(size).exists()
        except OSError:  # a folder of somebody else's
            return False

    def _start(self, size: Size) -> None:
        self._size = size
        paths = [str(PACKAGE.parent), os.environ.get("PYTHONPATH", "")]
        try:
            self._child = subprocess.Popen(  # noqa: S603
                [*self._command, "--size", f"{size[0]}x{size[1]}"],
                stdin=subprocess.PIPE,  # closes when this process ends, which tells the child
                stdout=subprocess.DEVNULL,
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join(filter(None, paths)),
                    **self._environment,
                },
            )
        except OSError as error:
            log.warning("compiling in a process of its own is not possible here: %s", error)
            self._may_run = False

    def _forget(self) -> None:
        if self._child is not None and self._child.stdin is not None:
            self._child.stdin.close()
        self._child = None
