"""Programs: compiled by the real compiler, kept as files, bound to weights that then change."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from lightning_demo import private
from lightning_demo.model.compile.programs import Programs
from lightning_demo.model.compile.speed import Speed

TRACED = Speed(compile=True, compile_backend="eager")
COMPILED = Speed(compile=True)
# The C++ compiler has one program to make here, which need not be fast: trying which vector
# instructions there are, headers compiled beforehand and optimised glue cost more than they save.
QUICKLY = {
    "aot_inductor.compile_wrapper_opt_level": "O0",
    "aot_inductor.precompile_headers": False,
    "cpp_cache_precompile_headers": False,
    "cpp.vec_isa_ok": False,
}


class Block(torch.nn.Module):
    """Small enough to be compiled in seconds; with a buffer and a parameter by two names."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = torch.nn.Conv2d(4, 8, 3)
        self.same = self.convolution
        self.register_buffer("offset", torch.ones(8, 1, 1), persistent=False)
        self.requires_grad_(False)


def function(module: Any, image: torch.Tensor, factor: torch.Tensor) -> Any:
    """Two outputs, one of them no float."""
    found = torch.relu(module.same(image)) * factor + module.offset
    return found, found > 0


@pytest.fixture
def module() -> Block:
    torch.manual_seed(0)
    return Block()


@torch.inference_mode()
def inputs(rows: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(rows)
    return torch.randn(rows, 4, 9, 9, generator=generator), torch.tensor([2.0])


def check(program: Any, module: Block) -> None:
    with torch.inference_mode():
        found, wanted = program(*inputs()), function(module, *inputs())
    assert torch.allclose(found[0], wanted[0], atol=1e-5) and torch.equal(found[1], wanted[1])


COMPILERS = [
    pytest.param(TRACED, id="traced"),
    pytest.param(
        COMPILED,
        id="compiled",
        marks=pytest.mark.skipif(shutil.which("g++") is None, reason="there is no C++ compiler"),
    ),
]


@pytest.mark.timeout(600)  # the C++ compiler, on a machine with much else to do
@pytest.mark.parametrize("speed", COMPILERS)
def test_what_one_process_has_made_another_binds_to_its_weights(
    speed: Speed, module: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    folder = tmp_path / "programs"
    maker, server = Programs(folder, speed, make=True), Programs(folder, speed)
    assert server.bind("unet", function, module, *inputs()) is None
    with torch._inductor.config.patch(QUICKLY):
        check(maker.bind("unet", function, module, *inputs()), module)
    (file,) = folder.iterdir()
    other = Block()
    program = server.bind("unet", function, other, *inputs())
    check(program, other)
    for module in (other, Block()):
        for mine, theirs in zip(other.parameters(), module.parameters(), strict=True):
            mine.copy_(theirs * 1.5)  # in place, as another step count's weights come
        other.offset.add_(1)
        check(program, other)
    assert [file] == list(folder.iterdir()), "each is made once"


def test_other_shapes_layers_and_options_are_other_programs(module: Block, tmp_path: Path):
    maker = Programs(tmp_path, TRACED, make=True)
    maker.bind("unet", function, module, *inputs())
    server = Programs(tmp_path, TRACED)
    assert server.bind("unet", function, module, *inputs()) is not None
    assert server.bind("decoder", function, module, *inputs()) is None
    assert server.bind("unet", function, module, *inputs(3)) is None
    assert server.bind("unet", function, module, inputs()[0].double(), inputs()[1]) is None
    assert Programs(tmp_path, COMPILED).bind("unet", function, module, *inputs()) is None
    module.to(memory_format=torch.channels_last)
    assert server.bind("unet", function, module, *inputs()) is None
    module.same = torch.nn.Conv2d(4, 8, 5)
    assert server.bind("unet", function, module, *inputs()) is None


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short"], ids=["empty", "cut short"])
@pytest.mark.parametrize("speed", [TRACED, COMPILED], ids=["traced", "compiled"])
def test_a_damaged_file_is_given_up(
    speed: Speed, content: bytes, module: Block, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    server = Programs(tmp_path, speed)
    file = server.file("unet", module, *inputs())
    file.write_bytes(content)
    stamps = [tmp_path / f"complete-{size}" for size in ("128x128", "192x128")]
    for stamp in stamps:
        stamp.touch()
    assert server.bind("unet", function, module, *inputs()) is None
    assert f"{file.name} cannot be used" in caplog.text
    assert not any(each.exists() for each in (file, *stamps)), "and nothing counts as complete"


@pytest.mark.skipif(os.name != "posix", reason="Windows has other rights")
def test_what_others_may_have_written_is_not_loaded(
    module: Block,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(private, "in_container", lambda: False)
    folder = tmp_path / "programs"
    maker = Programs(folder, TRACED, make=True)
    maker.bind("unet", function, module, *inputs())
    (file,) = folder.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    server = Programs(folder, TRACED)
    for path, rights in ((file, 0o666), (folder, 0o777), (tmp_path, 0o777)):
        before = path.stat().st_mode
        path.chmod(rights)
        for _ in range(2):
            assert server.bind("unet", function, module, *inputs()) is None
        assert caplog.text.count(f"others may write to {path}\n") == 1
        path.chmod(before)
    assert server.bind("unet", function, module, *inputs()) is not None, "it is still there"
    tmp_path.chmod(0o777)
    with pytest.raises(PermissionError, match="could not be trusted"):
        maker.bind("preview", function, module, *inputs())
    tmp_path.chmod(0o700)


def test_whoever_compiles_makes_a_damaged_file_anew(module: Block, tmp_path: Path):
    maker = Programs(tmp_path, TRACED, make=True)
    maker.bind("unet", function, module, *inputs())
    (file,) = tmp_path.iterdir()
    file.write_bytes(b"")
    check(maker.bind("unet", function, module, *inputs()), module)
    check(Programs(tmp_path, TRACED).bind("unet", function, module, *inputs()), module)


def test_a_program_that_fails_to_compile_leaves_no_file(module: Block, tmp_path: Path):
    def unfit(module: Any, image: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
        return image * 2 if image.sum() > 0 else image  # no graph knows which

    maker = Programs(tmp_path, TRACED, make=True)
    with pytest.raises(Exception, match="data-dependent"):
        maker.bind("unet", unfit, module, *inputs())
    assert not list(tmp_path.iterdir())
