"""What a compiler needs is found, or named."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lightning_demo.errors import InvalidSetting
from lightning_demo.model.compile import toolchain
from lightning_demo.model.compile.toolchain import HEADERS, compiler_variables, driver_variables


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A machine with g++ and neither a toolkit nor packages of NVIDIA."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "g++").touch(mode=0o755)
    monkeypatch.setattr(toolchain, "TOOLKIT", tmp_path / "no toolkit")
    (tmp_path / "packages" / "nvidia").mkdir(parents=True)
    monkeypatch.setattr(sys, "path", [str(tmp_path / "packages")])
    monkeypatch.delitem(sys.modules, "nvidia", raising=False)
    return {"PATH": str(programs)}


def test_a_compiler_is_needed_everywhere(environment: dict[str, str]):
    assert compiler_variables(cuda=False, environment=environment) == {}
    for without in ({"PATH": ""}, {**environment, "CXX": "no-such-compiler"}):
        with pytest.raises(InvalidSetting, match=r"apt install g\+\+"):
            compiler_variables(cuda=False, environment=without)


@pytest.mark.parametrize("place", ["packages", "toolkit", "CUDA_HOME", "nvcc"])
def test_headers_are_found_when_they_are_complete(
    environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
):
    """In packages of Python or a toolkit; one for running programs only has none."""
    folder = tmp_path / "packages" / "nvidia" / "cu13"
    if place == "toolkit":
        folder = tmp_path / "toolkit"
        monkeypatch.setattr(toolchain, "TOOLKIT", folder)
    elif place == "CUDA_HOME":
        folder = tmp_path / "home"
        environment["CUDA_HOME"] = str(folder)
    elif place == "nvcc":
        folder = tmp_path
        (tmp_path / "bin" / "nvcc").touch(mode=0o755)
    for header in HEADERS:
        with pytest.raises(InvalidSetting, match="requirements-compile.txt"):
            compiler_variables(cuda=True, environment=environment)
        file = folder / "include" / header
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    assert compiler_variables(cuda=True, environment=environment) == {"CUDA_HOME": str(folder)}


def test_the_requirements_are_the_headers_for_torchs_cuda():
    root = Path(__file__).resolve().parents[3]
    lines = (root / "requirements-compile.txt").read_text().splitlines()
    named = [line.partition("==")[0] for line in lines if not line.startswith("#")]
    assert named == ["nvidia-cuda-crt", "nvidia-cuda-cccl"]


@pytest.mark.skipif(shutil.which("gcc") is None, reason="there is no C compiler")
def test_a_linker_finds_the_driver(tmp_path: Path):
    """A program is linked against a library that has no name for linkers."""
    installed = tmp_path / "lib" / "libcuda.so.580.1"
    installed.parent.mkdir()
    source = tmp_path / "driver.c"
    source.write_text("int cuInit(void) { return 7; }\n")
    build = ["gcc", "-shared", "-fPIC", "-o", str(installed), str(source)]
    subprocess.run(build, check=True)  # noqa: S603
    maps = tmp_path / "maps"
    maps.write_text(f"7f00-7f01 r-xp 00000000 08:01 123   {installed}\n7f02-7f03 rw-p 0 00:00 0\n")
    found = driver_variables(tmp_path / "link", {"LIBRARY_PATH": "/elsewhere"}, maps)
    assert found == {"LIBRARY_PATH": f"{tmp_path / 'link'}{os.pathsep}/elsewhere"}
    again = driver_variables(tmp_path / "link", found, maps)
    assert again == found, "no longer each time"
    program = tmp_path / "program.c"
    program.write_text("int cuInit(void); int main(void) { return cuInit(); }\n")
    link = ["gcc", "-o", str(tmp_path / "program"), str(program), "-lcuda"]
    unfound = subprocess.run(link, capture_output=True, check=False)  # noqa: S603
    assert unfound.returncode
    subprocess.run(link, env={**os.environ, **found}, check=True)  # noqa: S603


def test_without_a_driver_nothing_is_linked(tmp_path: Path):
    maps = tmp_path / "maps"
    maps.write_text("7f00-7f01 r-xp 00000000 08:01 123   /usr/lib/libc.so.6\n")
    assert driver_variables(tmp_path / "link", {}, maps) == {}
    assert driver_variables(tmp_path / "link", {}, tmp_path / "missing") == {}
    (tmp_path / "libcuda.so").touch()
    maps.write_text(f"7f00-7f01 r-xp 00000000 08:01 123   {tmp_path}/libcuda.so.1\n")
    assert driver_variables(tmp_path / "link", {}, maps) == {"LIBRARY_PATH": str(tmp_path)}
    assert not (tmp_path / "link").exists(), "it has a name for linkers"
