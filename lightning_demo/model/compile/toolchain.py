"""What compiling ahead of time needs beside torch.

OpenVINO on a CPU; else a C++ compiler and, on a GPU, CUDA's headers.

Importing this file does not import torch: `doctor` must not wait for it.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from ...errors import InvalidSetting

HEADERS = ("cuda_runtime_api.h", "crt/host_defines.h", "nv/target")
TOOLKIT = Path("/usr/local/cuda")
DRIVER = "libcuda.so"
MAPS = Path("/proc/self/maps")  # of this process: with the driver that it has loaded
OPENVINO = (2025, 2)  # the oldest whose PyTorch frontend this was written against
OPENVINO_PACKAGE = f"openvino>={OPENVINO[0]}.{OPENVINO[1]}"


def openvino_problem() -> str:
    """Why OpenVINO cannot compile here; empty where it can."""
    try:
        version = importlib.metadata.version("openvino")
    except importlib.metadata.PackageNotFoundError:
        return f"OpenVINO is not installed: pip install '{OPENVINO_PACKAGE}'."
    if tuple(map(int, re.findall(r"\d+", version)[:2])) < OPENVINO:
        return f"OpenVINO {version} is too old: pip install '{OPENVINO_PACKAGE}'."
    return ""


def compiler_variables(
    *, cuda: bool, environment: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """Environment variables that a compiler needs, for a CUDA GPU or for the processor alone.

    Raises:
        InvalidSetting: saying what has to be installed.
    """
    if shutil.which(environment.get("CXX", "g++"), path=environment.get("PATH")) is None:
        raise InvalidSetting("compile: needs a C++ compiler (Debian: apt install g++ python3-dev).")
    if not cuda:
        return {}
    for folder in (*_toolkits(environment), *_packaged_cuda()):
        if all((folder / "include" / header).exists() for header in HEADERS):
            return {"CUDA_HOME": str(folder)}
    raise InvalidSetting(
        "compile: needs CUDA's headers: pip install -r requirements-compile.txt, or the CUDA "
        "toolkit (CUDA_HOME says where it is)."
    )


def driver_variables(
    folder: Path, environment: Mapping[str, str] = os.environ, maps: Path = MAPS
) -> dict[str, str]:
    """The variable by which a linker finds the GPU's driver, where only its library is installed.

    Args:
        folder: for a link by the name that the linker looks for.
    """
    try:
        lines = maps.read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    library = next((Path(line.split()[-1]) for line in lines if f"/{DRIVER}" in line), None)
    if library is None:
        return {}
    if (library.parent / DRIVER).exists():
        folder = library.parent
    else:
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            (folder / DRIVER).symlink_to(library)
    others = environment.get("LIBRARY_PATH", "").split(os.pathsep)
    return {"LIBRARY_PATH": os.pathsep.join(dict.fromkeys(filter(None, (str(folder), *others))))}


def _toolkits(environment: Mapping[str, str]) -> Iterable[Path]:
    """Where torch looks for CUDA's toolkit."""
    for name in ("CUDA_HOME", "CUDA_PATH"):
        if environment.get(name):
            yield Path(environment[name])
    if compiler := shutil.which("nvcc", path=environment.get("PATH")):
        yield Path(compiler).parent.parent
    yield TOOLKIT


def _packaged_cuda() -> Iterable[Path]:
    """Where packages of Python keep CUDA: nvidia/cu13 and the like."""
    spec = importlib.util.find_spec("nvidia")
    for folder in spec.submodule_search_locations or () if spec else ():
        yield from sorted(Path(folder).glob("cu[0-9]*"))
