"""What is computed once and kept."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lightning_demo.miniature.kept import digest, keep, replaced, weights


def test_a_value_is_made_once_and_again_when_what_it_is_made_of_changes(tmp_path: Path) -> None:
    made = []

    def make() -> list[torch.Tensor]:
        made.append(torch.full((2,), float(len(made))))
        return [made[-1]]

    file = tmp_path / "kept.pt"
    for made_of, number in (("a", 0), ("a", 0), ("b", 1), ("b", 1), ("a", 2)):
        (value,) = keep(file, made_of, make)
        assert torch.equal(value, made[number]), made_of
    assert len(made) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["kept.pt"]


def test_a_file_of_another_kind_is_replaced(tmp_path: Path) -> None:
    torch.save([torch.zeros(1)], tmp_path / "kept.pt")
    assert keep(tmp_path / "kept.pt", "a", lambda: [torch.ones(1)]) == [torch.ones(1)]


def test_a_digest_is_of_the_parts_and_their_order() -> None:
    assert digest([b"one", b"two"]) == digest(iter([b"one", b"two"]))
    different = ([b"onetwo"], [b"two", b"one"], [b"one", b"tw", b"o"], [])
    assert len({digest(parts) for parts in (*different, [b"one", b"two"])}) == 5


def test_weights_are_told_apart_by_names_and_numbers_not_by_how_they_lie() -> None:
    kernel = torch.arange(36.0).reshape(1, 4, 3, 3)
    mine = digest(weights({"a": kernel, "b": torch.tensor(1.0)}))
    other_order = {"b": torch.tensor(1.0), "a": kernel.to(memory_format=torch.channels_last)}
    assert digest(weights(other_order)) == mine
    assert digest(weights({"a": kernel, "c": torch.tensor(1.0)})) != mine
    assert digest(weights({"a": kernel + 1, "b": torch.tensor(1.0)})) != mine


def test_what_is_written_anew_takes_its_place_when_it_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "words.json"
    for text, whole in (("one", True), ("tw", False), ("three", True)):
        before = file.read_text() if file.exists() else None
        if whole:
            with replaced(file) as new:
                new.write_text(text)
        else:
            with pytest.raises(KeyboardInterrupt), replaced(file) as new:
                new.write_text(text)
                raise KeyboardInterrupt
        assert file.read_text() == (text if whole else before)
    assert [path.name for path in tmp_path.iterdir()] == ["words.json"]
