"""What tells weights from others: whatever is loaded, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from lightning_demo.model.weights.checkpoints import sdxl_lightning
from lightning_demo.model.weights.fingerprint import fingerprint, is_settled

from ..hub_cache import cached, use_only

COMMIT, OTHER = "c" * 40, "d" * 40


def base(folder: Path, content: bytes, *, half: bool) -> str:
    """The fingerprint on a folder laid out as SDXL's, its weights in half precision or not."""
    for file in sdxl_lightning("lora").files(4)[0][1]:
        path = folder / (file if half else file.replace(".fp16.", "."))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if path.suffix == ".safetensors" else b"{}")
    return fingerprint(sdxl_lightning(base=str(folder)))


def test_folders_are_known_by_the_files_that_are_loaded(tmp_path: Path) -> None:
    one = base(tmp_path / "one", b"1" * 999, half=False)
    assert base(tmp_path / "same", b"1" * 999, half=False) == one
    assert base(tmp_path / "two", b"2" * 999, half=False) != one
    # Half precision is what is loaded where there is both.
    both = base(tmp_path / "one", b"3" * 999, half=True)
    assert both != one
    (tmp_path / "one/unet/diffusion_pytorch_model.safetensors").write_bytes(b"4")
    assert fingerprint(sdxl_lightning(base=str(tmp_path / "one"))) == both


@pytest.mark.parametrize("name", ["owner/model", "owner/model@other/branch"])
def test_a_branch_is_known_by_the_commit_that_is_here(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = sdxl_lightning(base=name)
    use_only(tmp_path, monkeypatch)
    found = {fingerprint(spec)}
    assert not is_settled(spec)
    for commit in (COMMIT, OTHER):
        cached(tmp_path, spec, commit)
        assert is_settled(spec)
        assert fingerprint(spec) == fingerprint(sdxl_lightning(base=f"owner/model@{commit}"))
        found.add(fingerprint(spec))
    assert len(found) == 3


def test_a_name_that_the_hub_cannot_have_is_told_of_when_it_is_loaded() -> None:
    spec = sdxl_lightning(base="owner/two--dashes")
    assert fingerprint(spec) and not is_settled(spec)
