"""Weight files that are missing or not what they should be: one sentence, naming the file."""

from __future__ import annotations

import hashlib
import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from lightning_demo.errors import CheckpointError
from lightning_demo.model.weights.weight_file import check_file, check_finite, fill, load_weights


class Evil:
    """A pickle that would leave a trace if anything loaded it."""

    def __reduce__(self):
        return (print, ("a pickle was loaded",))


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.safetensors"
    save_file({"weight": torch.arange(6.0).reshape(2, 3)}, path)
    return path


def test_a_good_file_loads(good: Path):
    digest = hashlib.sha256(good.read_bytes()).hexdigest()
    assert torch.equal(load_weights(good, digest)["weight"], torch.arange(6.0).reshape(2, 3))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="not told by this system")
def test_what_is_read_is_the_file_itself_not_a_copy(tmp_path: Path):
    """Weights that are kept for a switch cost no memory that the system could not take back."""

    def private_kb() -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))

    path, size = tmp_path / "large.safetensors", 2**26
    save_file({"weight": torch.ones(size, dtype=torch.uint8).view(torch.float16)}, path)
    before = private_kb()
    weights = load_weights(path)
    assert weights["weight"].nbytes == size and private_kb() - before < size / 1024 / 2


def bad_files() -> dict[str, tuple[bytes, str]]:
    return {
        "pickle": (pickle.dumps(Evil()), "pickle"),
        "zip": (b"PK\x03\x04" + b"\0" * 200, "pickle"),
        "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "LFS pointer"),
        "page": (b"<!DOCTYPE html><html>Sign in</html>", "web page"),
        "empty": (b"", "damaged or cut short"),
        "huge header": ((2**62).to_bytes(8, "little") + b"{}", "damaged or cut short"),
        "noise": (bytes(range(256)) * 4, "damaged or cut short"),
    }


@pytest.mark.parametrize("kind", bad_files())
def test_a_wrong_file_is_named_and_not_opened(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    content, words = bad_files()[kind]
    path = tmp_path / "sdxl_lightning_4step_unet.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError) as caught:
        load_weights(path)
    assert path.name in str(caught.value) and words in str(caught.value)
    assert "a pickle was loaded" not in capsys.readouterr().out


@pytest.mark.parametrize("length", [0x0280, 0x0480, 0x053C])
def test_a_good_file_may_start_as_a_pickle_or_a_page_does(length: int, tmp_path: Path):
    """The first bytes are the header's length: 640 is 80 02, as a pickle starts."""
    entry = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
    header = json.dumps({"weight": entry}).encode().ljust(length)
    path = tmp_path / "good.safetensors"
    path.write_bytes(length.to_bytes(8, "little") + header + b"\0\0\0\0")
    assert load_weights(path)["weight"].tolist() == [0.0]


def test_a_file_cut_short(good: Path):
    good.write_bytes(good.read_bytes()[:-3])
    with pytest.raises(CheckpointError, match=r"good\.safetensors is damaged or cut short"):
        check_file(good)


def test_a_flipped_bit_is_found_by_its_hash(good: Path):
    digest = hashlib.sha256(good.read_bytes()).hexdigest()
    content = bytearray(good.read_bytes())
    content[-1] ^= 1
    good.write_bytes(content)
    check_file(good)
    with pytest.raises(CheckpointError, match="not the expected file"):
        check_file(good, digest)


@pytest.mark.parametrize("name", ["model.bin", "model.ckpt", "model.pth"])
def test_no_other_kind_of_file_is_opened(name: str, tmp_path: Path):
    (tmp_path / name).write_bytes(pickle.dumps(Evil()))
    with pytest.raises(CheckpointError, match="not a safetensors file"):
        load_weights(tmp_path / name)


def test_a_missing_file(tmp_path: Path):
    with pytest.raises(CheckpointError, match=r"gone\.safetensors is missing"):
        load_weights(tmp_path / "gone.safetensors")


@pytest.mark.parametrize(
    "weights",
    [
        {"weight": torch.zeros(3, 2)},
        {"weight": torch.zeros(2, 3), "extra": torch.zeros(1)},
        {"weight": torch.zeros(2, 4), "bias": torch.zeros(2)},
        {},
    ],
)
def test_weights_of_another_architecture_are_refused(weights: dict):
    with pytest.raises(CheckpointError, match=r"four\.safetensors does not fit"):
        fill(torch.nn.Linear(3, 2), weights, Path("four.safetensors"))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_a_nan_is_named(value: float, dtype: torch.dtype):
    weights = {"good": torch.full((4, 4), 6e4, dtype=dtype), "none": torch.zeros(0, dtype=dtype)}
    weights["whole"] = torch.arange(4)
    weights["tiny"] = torch.ones(4).to(torch.float8_e4m3fn)
    check_finite(weights, Path("four.safetensors"))
    weights["block.bad"] = torch.ones(4, 4, dtype=dtype)
    weights["block.bad"][2, 3] = value
    with pytest.raises(CheckpointError, match=r"four\.safetensors.*NaN or infinite.*block\.bad"):
        check_finite(weights, Path("four.safetensors"))
