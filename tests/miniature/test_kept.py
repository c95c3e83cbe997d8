"""What is computed once and kept."""

from __future__ import annotations

from pathlib import Path

import torch

from lightning_demo.miniature.kept import digest, keep


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
