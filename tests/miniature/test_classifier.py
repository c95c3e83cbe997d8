"""What the judge learns from: made once, by one of the processes that train it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import distributed

from lightning_demo.miniature import classifier, parallel
from lightning_demo.miniature.pool import Bucket

SOME = Bucket(128, 128, np.zeros((2, 128, 128, 3), np.uint8), [])


def test_examples_are_made_once_and_anew_where_they_are_others(tmp_path: Path):
    def written() -> int:
        return (tmp_path / "classifier-pictures.pt").stat().st_mtime_ns

    pictures, labels = classifier._examples(SOME, tmp_path, 1)
    assert len(pictures) == len(labels) == 2 + len(classifier.KINDS)
    first = written()
    again, _ = classifier._examples(SOME, tmp_path, 1)
    assert torch.equal(again, pictures) and written() == first
    more, labels = classifier._examples(SOME, tmp_path, 2)
    assert len(more) == len(labels) == 2 + 2 * len(classifier.KINDS)


def test_another_process_waits_for_the_examples_that_the_first_one_makes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def barrier() -> None:
        """Where process 1 waits: process 0, alone, makes them."""
        with monkeypatch.context() as patch:
            patch.setattr(distributed, "is_initialized", lambda: False)
            made.extend(classifier._examples(SOME, tmp_path, 1))
        files.append((tmp_path / "classifier-pictures.pt").stat().st_ino)

    made: list[torch.Tensor] = []
    files: list[int] = []
    monkeypatch.setattr(distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(distributed, "barrier", barrier)
    monkeypatch.setattr(parallel, "rank", lambda: 1)
    found = classifier._examples(SOME, tmp_path, 1)
    assert files == [(tmp_path / "classifier-pictures.pt").stat().st_ino]
    assert all(map(torch.equal, found, made))
