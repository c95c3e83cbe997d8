"""What this process finds around it: cores, a cache folder, a container, a Hugging Face Space."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

CONTAINER_MARKS = ("/.dockerenv", "/run/.containerenv")


def cpu_threads(asked: int = 0) -> int:
    """How many threads the model computes with on a CPU.

    Unless asked otherwise, half of the cores and at most 2: the miniature is too small to gain from
    more, and threads that share their core with the server wait for one another (`bench many`).
    """
    return asked or max(1, min(2, (os.cpu_count() or 1) // 2))


def compile_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Where compiled programs are kept between runs: torch's own variable, or a cache folder."""
    usual = Path.home() / ".cache" / "lightning-demo" / "compiled"
    return Path(environment.get("TORCHINDUCTOR_CACHE_DIR") or usual)


def on_zerogpu(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this is a ZeroGPU Space of Hugging Face, which lends a GPU for each picture."""
    return environment.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")


def in_container(
    environment: Mapping[str, str] = os.environ, marks: Sequence[str] = CONTAINER_MARKS
) -> bool:
    """Whether this process is in a container of Docker, Podman or Kubernetes: alone, that is.

    Args:
        marks: files that are there in the first two.
    """
    return "KUBERNETES_SERVICE_HOST" in environment or any(map(os.path.exists, marks))
