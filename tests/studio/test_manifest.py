"""What became of each picture."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from lightning_demo.errors import InvalidSetting
from lightning_demo.schemas import GenerationRequest
from lightning_demo.studio.manifest import Manifest, Origin, Outcome
from lightning_demo.studio.plan import Picture

from ..web.fakes import LIMITS

ORIGIN = Origin("abc", 7)


def picture(number: int, prompt: str = "a cat") -> Picture:
    request = GenerationRequest.parse({"prompt": prompt, "seed": number}, LIMITS)
    return Picture(number, number + 1, prompt, request)


def painted(folder: Path, number: int, prompt: str = "a cat") -> Outcome:
    (folder / f"{number}.png").write_bytes(b"x")
    return Outcome(picture(number, prompt), f"{number}.png", 1.23456, "miniature", ("A note.",))


def test_what_is_done_is_known_again(tmp_path: Path):
    manifest = Manifest(tmp_path / "new")
    assert manifest.origin is None
    manifest.begin(ORIGIN)
    manifest.add(painted(tmp_path / "new", 1))
    manifest.add(painted(tmp_path / "new", 2))
    manifest.add(Outcome(picture(3), error="No memory."))
    (tmp_path / "new" / "2.png").unlink()

    again = Manifest(tmp_path / "new")
    again.begin(Origin("other", 1))  # goes on with what is there
    assert again.origin == ORIGIN
    assert [again.done(picture(number)) for number in (1, 2, 3, 4)] == [True, False, False, False]
    again.add(painted(tmp_path / "new", 3))
    assert Manifest(tmp_path / "new").done(picture(3))


def test_a_line_that_was_cut_short_is_lost_alone(tmp_path: Path):
    manifest = Manifest(tmp_path)
    manifest.begin(ORIGIN)
    manifest.add(painted(tmp_path, 1))
    manifest.add(painted(tmp_path, 2))
    file = tmp_path / "manifest.jsonl"
    file.write_bytes(file.read_bytes()[:-20])

    again = Manifest(tmp_path)
    assert (again.done(picture(1)), again.done(picture(2))) == (True, False)
    again.add(painted(tmp_path, 3))
    third = Manifest(tmp_path)
    assert [third.done(picture(number)) for number in (1, 2, 3)] == [True, False, True]


def test_the_table(tmp_path: Path):
    manifest = Manifest(tmp_path)
    manifest.begin(ORIGIN)
    manifest.add(painted(tmp_path, 2, "=HYPERLINK(1), 猫"))
    manifest.add(Outcome(picture(1), error="No memory."))
    manifest.add(painted(tmp_path, 1))
    manifest.write_table()
    data = (tmp_path / "manifest.csv").read_bytes()
    first, second = csv.DictReader(data.decode("utf-8-sig").splitlines())
    assert (first["file"], first["error"], first["seconds"]) == ("1.png", "", "1.235")
    assert second["prompt"] == second["template"] == "'=HYPERLINK(1), 猫"
    assert (second["seed"], second["model"], second["notes"]) == ("2", "miniature", "A note.")
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("text", ["", "{}", "hello", '{"batch": {"sha256": 1}}', "[1]\n"])
def test_another_file_of_that_name_is_left_alone(tmp_path: Path, text: str):
    (tmp_path / "manifest.jsonl").write_text(text)
    with pytest.raises(InvalidSetting, match="is not the manifest of a batch"):
        Manifest(tmp_path)
    assert (tmp_path / "manifest.jsonl").read_text() == text


def test_files_outside_the_folder_are_not_looked_for(tmp_path: Path):
    (tmp_path / "secret.png").write_bytes(b"x")
    folder = tmp_path / "folder"
    manifest = Manifest(folder)
    manifest.begin(ORIGIN)
    manifest.add(Outcome(picture(1), "../secret.png"))
    assert not Manifest(folder).done(picture(1))
    assert json.loads((folder / "manifest.jsonl").read_text().splitlines()[0])["batch"]
