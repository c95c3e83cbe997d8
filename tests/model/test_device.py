"""Choosing the model without importing torch."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from lightning_demo.errors import CheckpointError, InvalidSetting
from lightning_demo.model import device as machine
from lightning_demo.model.weights.checkpoints import MINIATURE, SDXL_LIGHTNING
from lightning_demo.settings import Settings


def test_what_torch_was_built_for_agrees_with_torch():
    assert machine.torch_cuda_version() == torch.version.cuda


def test_counting_gpus_agrees_with_torch():
    if torch.version.cuda is not None:
        assert machine.cuda_device_count() == torch.cuda.device_count()
    assert machine.has_cuda() == torch.cuda.is_available()


@pytest.mark.parametrize(
    ("model", "device", "gpu", "expected"),
    [
        ("auto", "auto", True, SDXL_LIGHTNING),
        ("auto", "auto", False, MINIATURE),
        ("auto", "cpu", True, MINIATURE),
        ("auto", "cuda:1", True, SDXL_LIGHTNING),
        ("miniature", "auto", True, MINIATURE),
        ("sdxl-lightning", "auto", False, SDXL_LIGHTNING),
    ],
)
def test_auto_takes_the_real_model_where_there_is_a_gpu(
    model: str, device: str, gpu: bool, expected: object, monkeypatch: pytest.MonkeyPatch
):
    # This machine has a GPU or has none.
    monkeypatch.setattr(machine, "has_cuda", lambda: gpu)
    assert machine.choose_model(Settings(model=model, device=device)) is expected


def test_a_gpu_that_is_named_and_not_there_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(machine, "has_cuda", lambda: False)
    assert machine.choose_model(Settings(device="auto")) is MINIATURE and not caplog.text
    assert machine.choose_model(Settings(device="cuda:7")) is MINIATURE
    assert "the miniature paints on the CPU: there is no CUDA GPU" in caplog.text


def test_the_miniature_has_no_variant_and_no_base(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(machine, "has_cuda", lambda: False)
    for given in ({"variant": "lora"}, {"base": "owner/name"}):
        with pytest.raises(InvalidSetting, match="the miniature has neither"):
            machine.choose_model(Settings(model="miniature", **given))
        caplog.clear()
        assert machine.choose_model(Settings(**given)) is MINIATURE
        assert "without the variant and base" in caplog.text
    monkeypatch.setattr(machine, "has_cuda", lambda: True)
    assert machine.choose_model(Settings(variant="lora")).limits.num_inference_steps == (2, 4, 8)


def test_the_version_file_of_a_cuda_build_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "version.py").write_text(
        "cuda: Optional[str] = '12.8'\nhip: Optional[str] = None\n"
    )
    found = SimpleNamespace(origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(machine.importlib.util, "find_spec", lambda name: found)
    assert machine.torch_cuda_version() == "12.8"
    monkeypatch.setattr(machine.importlib.util, "find_spec", lambda name: None)
    assert machine.torch_cuda_version() is None


@pytest.mark.parametrize(
    ("gpus", "driver", "built", "words"),
    [
        (0, None, "13.0", ""),
        (1, (13, 1), "13.0", ""),
        (1, (13, 0), "12.8", ""),
        (1, (12, 4), "12.8", ""),  # CUDA's minor versions serve one another
        (1, (12, 4), "13.0", "driver is for CUDA 12.4, and this torch is built for CUDA 13.0"),
        (1, (13, 0), None, "install the CUDA build"),
    ],
)
def test_a_gpu_that_torch_cannot_use_is_told(
    gpus: int,
    driver: tuple[int, int] | None,
    built: str | None,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    """Else the real model would take an hour for a picture, on the CPU."""
    monkeypatch.setattr(machine, "cuda_device_count", lambda: gpus)
    monkeypatch.setattr(machine, "cuda_driver_version", lambda: driver)
    monkeypatch.setattr(machine, "torch_cuda_version", lambda: built)
    assert words in machine.cuda_problem() and bool(words) == bool(machine.cuda_problem())
    chosen = machine.choose_model(Settings())
    assert chosen is (MINIATURE if words or not gpus else SDXL_LIGHTNING)
    assert ("paints on the CPU" in caplog.text) == bool(words)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (100, ""),  # there is no GPU
        (802, "does not start (error 802); start its fabric manager"),
        (803, "does not start (error 803); restart the machine"),
    ],
)
def test_a_driver_that_does_not_start_is_told(
    code: int, words: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    driver = SimpleNamespace(cuInit=lambda flags: code)
    monkeypatch.setattr(machine.ctypes, "CDLL", lambda name: driver)
    assert words in machine.cuda_problem() and bool(words) == bool(machine.cuda_problem())
    assert not machine.has_cuda()
    assert machine.choose_model(Settings()) is MINIATURE
    assert ("the miniature paints on the CPU: the GPU's driver" in caplog.text) == bool(words)


@pytest.mark.parametrize(("name", "chosen"), [("cuda", []), ("cuda:1", [1])])
def test_a_numbered_gpu_becomes_the_threads_own(
    name: str, chosen: list[int], monkeypatch: pytest.MonkeyPatch
):
    """Without a number it is the thread's own already, and torch refuses to be told."""
    taken: list[int] = []

    def set_device(device: torch.device) -> None:
        if device.index is None:
            raise ValueError("Expected a torch.device with a specified index")
        taken.append(device.index)

    monkeypatch.setattr(torch, "zeros", lambda size, device: None)
    monkeypatch.setattr(torch.cuda, "set_device", set_device)
    assert str(machine.pick_device(name)) == name
    assert taken == chosen


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        ("CUDA error: invalid device ordinal\nhints", "take cpu or cuda:0 or cuda:1"),
        ("CUDA error: out of memory", "end the other program that uses it"),
        (
            "CUDA error: CUDA-capable device(s) is/are busy or unavailable",
            "end the other program that uses it",
        ),
    ],
)
def test_a_gpu_that_cannot_be_had_is_one_sentence_with_advice(
    error: str, advice: str, monkeypatch: pytest.MonkeyPatch
):
    def refuse(size: int, device: torch.device) -> None:
        raise torch.AcceleratorError(error)

    monkeypatch.setattr(torch, "zeros", refuse)
    kind = torch.device("cuda")
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available: kind)
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 2)
    with pytest.raises(CheckpointError) as caught:
        machine.pick_device("cuda:7")
    first = error.splitlines()[0]
    assert str(caught.value) == f"The device 'cuda:7' cannot be used here ({first}): {advice}."


@pytest.mark.parametrize(
    ("error", "answers"),
    [
        ("CUDA error: an illegal memory access was encountered", False),
        ("CUDA error: out of memory", True),
    ],
)
def test_a_device_whose_memory_is_full_still_responds(
    error: str, answers: bool, monkeypatch: pytest.MonkeyPatch
):
    def refuse(size: int, device: torch.device) -> None:
        raise torch.AcceleratorError(error)

    assert machine.responds(torch.device("cpu"))
    monkeypatch.setattr(torch, "ones", refuse)
    assert machine.responds(torch.device("cuda")) == answers


def test_every_kind_of_gpu_gives_back_what_torch_keeps(monkeypatch: pytest.MonkeyPatch):
    given: list[str] = []
    for kind in ("cuda", "mps", "xpu"):
        empty = lambda kind=kind: given.append(kind)  # noqa: E731
        monkeypatch.setattr(getattr(torch, kind), "empty_cache", empty)
    for kind in ("cuda", "cpu", "mps", "xpu"):
        machine.give_back_memory(torch.device(kind))
    assert given == ["cuda", "mps", "xpu"]
