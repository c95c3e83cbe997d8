"""A child process that compiles the model beforehand, so that the one that serves need not.

Compiling holds Python's lock for seconds at a time, and pictures wait for it. The child compiles
the same functions on the same device and leaves the programs in torch's cache on disk
(`TORCHINDUCTOR_CACHE_DIR`), where the server then finds them.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from ..model.weights.model_spec import ModelSpec
from ..settings import Settings

log = logging.getLogger(__name__)

COMMAND = (sys.executable, "-m", "lightning_demo", "compile", "--until-stdin-closes")
PACKAGES = ("torch", "diffusers", "transformers")


def stamp(folder: Path, spec: ModelSpec, settings: Settings, device_name: str) -> Path:
    """A file that says that all has been compiled for this model, device and these packages."""
    what = {
        "spec": [spec.name, spec.title, spec.sizes],
        "settings": [settings.compile_backend, settings.channels_last, settings.cudnn_attention],
        "unet": [settings.cross_attention_cache, settings.fp8],
        "device": device_name,
        "packages": [version(name) for name in PACKAGES],
        "python": sys.version_info[:2],
    }
    digest = hashlib.sha256(json.dumps(what).encode()).hexdigest()[:16]
    return folder / f"complete-{digest}"


class Precompiler:
    """One run of the child. It ends with this process, whatever way that ends."""

    def __init__(
        self,
        stamp: Path,
        environment: Mapping[str, str],
        command: Sequence[str] = COMMAND,
    ) -> None:
        """Starts the child, unless the stamp says that its work has been done.

        Args:
            stamp: written by the child when it is done.
            environment: variables of the child beside this process's own.
        """
        self._child: subprocess.Popen[bytes] | None = None
        if stamp.exists():
            return
        try:
            self._child = subprocess.Popen(  # noqa: S603
                command,
                stdin=subprocess.PIPE,  # closes when this process ends, which tells the child
                stdout=subprocess.DEVNULL,
                env={**os.environ, **environment},
            )
        except OSError as error:
            log.warning("compiling in a process of its own is not possible here: %s", error)

    @property
    def running(self) -> bool:
        """Whether the child is still at it."""
        if self._child is None:
            return False
        code = self._child.poll()
        if code is None:
            return True
        if code != 0:
            log.warning("compiling beforehand ended with code %s; this process will compile", code)
        self._forget()
        return False

    def stop(self) -> None:
        """Ends the child."""
        if self._child is not None:
            self._child.terminate()
            self._child.wait()
            self._forget()

    def _forget(self) -> None:
        if self._child is not None and self._child.stdin is not None:
            self._child.stdin.close()
        self._child = None
