"""The setting `lora`: which files and how strongly, and what is said when it cannot be so."""

from __future__ import annotations

from pathlib import Path

import pytest

from lightning_demo.engine.build import loader
from lightning_demo.errors import InvalidSetting
from lightning_demo.model.weights.checkpoints import MINIATURE
from lightning_demo.model.weights.lora_setting import Lora, parse_loras
from lightning_demo.settings import Settings


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Runs in a folder with some files, one of them where Windows would have drive C."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "C:").mkdir()
    for name in ("ink.safetensors", "a:b.safetensors", "C:/oil.safetensors", "notes.txt"):
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        (" , ", ()),
        ("ink.safetensors", (Lora(Path("ink.safetensors"), 1.0),)),
        ("ink.safetensors:0.8", (Lora(Path("ink.safetensors"), 0.8),)),
        ("ink.safetensors:-2", (Lora(Path("ink.safetensors"), -2.0),)),
        ("C:/oil.safetensors", (Lora(Path("C:/oil.safetensors"), 1.0),)),
        ("C:/oil.safetensors:.5", (Lora(Path("C:/oil.safetensors"), 0.5),)),
        ("a:b.safetensors", (Lora(Path("a:b.safetensors"), 1.0),)),
        (
            "ink.safetensors:0, C:/oil.safetensors:2",
            (Lora(Path("ink.safetensors"), 0.0), Lora(Path("C:/oil.safetensors"), 2.0)),
        ),
    ],
)
def test_paths_and_scales(text: str, expected: tuple[Lora, ...]):
    assert parse_loras(text) == expected


def test_the_home_folder_is_understood(here: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(here))
    assert parse_loras("~/ink.safetensors:1")[0].path == here / "ink.safetensors"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("gone.safetensors", "there is no file gone.safetensors"),
        ("x" * 300 + ".safetensors", "there is no file xxx"),
        ("~nobody-here/ink.safetensors", "there is no file ~nobody-here"),
        ("C:", "not a .safetensors file"),
        ("notes.txt:0.5", "notes.txt is not a .safetensors file"),
        ("ink.ckpt", "ink.ckpt is not a .safetensors file"),
        ("ink.safetensors:much", "not a .safetensors file"),
        ("ink.safetensors:2.1", "from -2 to 2"),
        ("ink.safetensors:nan", "from -2 to 2"),
        ("ink.safetensors:inf", "from -2 to 2"),
        ("ink.safetensors,gone.safetensors:1", "there is no file gone.safetensors"),
    ],
)
def test_what_cannot_be_names_the_setting(text: str, words: str):
    with pytest.raises(InvalidSetting) as caught:
        parse_loras(text)
    assert str(caught.value).startswith("lora: ") and words in str(caught.value)


def test_a_wrong_lora_is_said_before_anything_is_loaded():
    with pytest.raises(InvalidSetting, match=r"lora: there is no file gone\.safetensors"):
        loader(MINIATURE, Settings(model="miniature", lora="gone.safetensors"))
