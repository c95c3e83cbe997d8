"""The stages of `bench model` in a second process."""

from __future__ import annotations

from pathlib import Path

import pytest

from lightning_demo.bench import ablation
from lightning_demo.model.compile.speed import Speed

from .. import processes


@pytest.fixture(autouse=True)
def forked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The second process is a fork, and finds programs in a folder of the test's own."""
    monkeypatch.setattr(ablation, "run", processes.run)
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))


def test_a_second_process_tells_its_seconds():
    told = ablation.time_second_process("tiny", "cpu", Speed(compile_backend="eager"), 1)
    assert "error" not in told, told
    assert told.keys() == {"load_seconds", "made_afterwards", "problems"}
    assert told["problems"] == []


@pytest.mark.parametrize(
    ("device", "patience", "words"),
    [("cuda:99", 60.0, "ended with 1: "), ("cpu", 0.0, "did not end within 0 s")],
)
def test_one_that_does_not_end_well_says_why(device: str, patience: float, words: str):
    told = ablation.time_second_process("tiny", device, Speed(), 1, patience)
    assert words in told["error"]
