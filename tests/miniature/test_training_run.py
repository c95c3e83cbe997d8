"""A run from nothing to exported files, one step of everything."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lightning_demo.miniature.adopt import adopt_autoencoder, adopt_students, adopt_teacher
from lightning_demo.miniature.config import BUDGET_SHARES, TrainingConfig
from lightning_demo.miniature.evaluate import CLASSIFIER
from lightning_demo.miniature.repainted import LAST_STEPS, ON_THE_WAY
from lightning_demo.miniature.sheet import draw_prompts
from lightning_demo.miniature.training_run import TrainingRun, whole_students

from .conftest import narrow_autoencoders

CONFIG = TrainingConfig(
    threads=1,
    pictures=15,
    sharp_pictures=15,
    captions_per_picture=1,
    fresh_pictures=2,
    fresh_captions=20,
    autoencoder_batch=2,
    text_batch=4,
    classifier_batch=2,
    held_out_renders=1,
    teacher_batch=2,
    distill_batch=2,
    lora_values=((8, 20_000), (4, 20_000), (2, 20_000)),
    adversarial_from=0.0,
)
ONE_STEP = 1e-9  # minutes


@pytest.fixture(scope="module", autouse=True)
def narrow() -> Iterator[None]:
    """Autoencoders are narrow here."""
    with narrow_autoencoders():
        yield


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> TrainingRun:
    run = TrainingRun(tmp_path_factory.mktemp("run"), config=CONFIG)
    run.train_all(ONE_STEP)
    return run


def test_every_stage_leaves_its_weights(finished: TrainingRun):
    stages = {*BUDGET_SHARES, *(f"lora-{steps}" for steps in (8, 4, 2))}
    assert {path.stem for path in finished.folder.glob("*.pt")} >= stages
    assert whole_students(finished.folder).keys() == {"8", "4", "2"}


def test_decoders_learn_from_what_its_students_paint(finished: TrainingRun):
    for name, variants in (("repainted", 1 + len(LAST_STEPS)), ("previewed", ON_THE_WAY)):
        saved = torch.load(finished.folder / f"{name}.pt", weights_only=True)["value"]
        latents = [each[-1] if name == "previewed" else each for each in saved]
        assert [len(each) for each in latents] == [variants] * 3, "of every size"


def test_a_decoder_learns_from_the_students_that_are_there(
    finished: TrainingRun, tmp_path: Path
) -> None:
    for path in finished.folder.iterdir():
        if path.name not in ("student-8.pt", "decoder.pt"):
            (tmp_path / path.name).symlink_to(path)
    saved = torch.load(finished.folder / "student-8.pt", weights_only=True)
    for value in saved["modules"]["unet"].values():
        value.add_(0.1)
    torch.save(saved, tmp_path / "student-8.pt")
    kept = finished.folder / "repainted.pt"
    before = torch.load(kept, weights_only=True)
    (tmp_path / kept.name).unlink()
    shutil.copy(kept, tmp_path)
    TrainingRun(tmp_path, config=CONFIG).train("decoder", ONE_STEP)
    after = torch.load(tmp_path / kept.name, weights_only=True)
    assert after["made_of"] != before["made_of"]
    assert not torch.equal(after["value"][0][-1], before["value"][0][-1]), "its steps are 8"


def test_a_decoder_of_previews_says_which_stage_must_come_first(
    finished: TrainingRun, tmp_path: Path
) -> None:
    for path in finished.folder.iterdir():
        if path.name not in ("decoder.pt", "preview.pt", "previewed.pt"):
            (tmp_path / path.name).symlink_to(path)
    with pytest.raises(SystemExit, match="'decoder' must be trained first"):
        TrainingRun(tmp_path, config=CONFIG).train("preview", ONE_STEP)


def test_what_is_finished_is_not_trained_again(finished: TrainingRun):
    before = {path: path.stat().st_mtime_ns for path in finished.folder.glob("*.pt")}
    TrainingRun(finished.folder, config=CONFIG).train_all(ONE_STEP)
    assert {path: path.stat().st_mtime_ns for path in finished.folder.glob("*.pt")} == before


def test_what_it_exports_draws_at_every_step_count(finished: TrainingRun, tmp_path: Path):
    finished.export(tmp_path)
    assert (tmp_path / CLASSIFIER).exists()
    words = json.loads((tmp_path / "words.json").read_text(encoding="utf-8"))
    assert "cat" in words["groups"]["subjects"]
    for steps in (1, 2):
        (picture,) = draw_prompts(tmp_path, ["a cat"], steps)
        assert picture.size == (256, 256)
    (picture,) = draw_prompts(tmp_path, ["a cat"], 2, guidance_scale=2.0)
    assert picture.size == (256, 256)


def test_a_stage_says_which_one_must_come_first(tmp_path: Path):
    run = TrainingRun(tmp_path, config=replace(CONFIG, pictures=5))
    with pytest.raises(SystemExit, match="'autoencoder' must be trained first"):
        run.train("teacher", ONE_STEP)
    with pytest.raises(SystemExit, match="'text' must be trained first"):
        run.distill(4, ONE_STEP)


def test_students_of_a_release_go_on(finished: TrainingRun, tmp_path: Path):
    released, folder = tmp_path / "released", tmp_path / "run"
    finished.export(released)
    adopt_autoencoder(released, folder)
    adopt_teacher(released, folder, finished=True)
    begun = adopt_students(released, folder)
    assert begun == ["student-8", "student-4", "student-2", "student-1"]
    (folder / "pool").symlink_to(finished.folder / "pool")
    run = TrainingRun(folder, config=CONFIG)
    # Its teacher, of four steps, is there as the release has it; so no other is needed first.
    for steps in (2, 1):
        run.distill(steps, ONE_STEP)
        learned = weights(folder / f"student-{steps}.pt")
        own, teacher = (
            distance(learned, weights(folder / f"student-{number}-start.pt"))
            for number in (steps, 4)
        )
        assert 0 < own < teacher / 2
    assert not (folder / "student-8.pt").exists()
    before = (released / "lightning" / "sdxl_lightning_8step_lora.safetensors").read_bytes()
    run.export(released)
    after = (released / "lightning" / "sdxl_lightning_8step_lora.safetensors").read_bytes()
    assert after == before, "what was not trained stays"


def test_a_student_that_is_trained_further_reaches_its_file(
    finished: TrainingRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, exported = tmp_path / "run", tmp_path / "exported"
    copy_of(finished, folder)
    (folder / "student-8.pt").rename(folder / "student-8-start.pt")
    run = TrainingRun(folder, config=CONFIG)
    run.distill(8, ONE_STEP)
    assert not same_lora(folder, finished.folder)
    assert run.stages.is_made_of("lora-8", "student-8", "teacher")
    written = (folder / "lora-8.pt").stat().st_mtime_ns
    run.distill(8, ONE_STEP)
    assert (folder / "lora-8.pt").stat().st_mtime_ns == written
    assert capsys.readouterr().out == ""
    run.distill(4, ONE_STEP)
    assert "student-4 stays as it is, though student-8 is another now" in capsys.readouterr().out
    assert (folder / "student-4.pt").samefile(finished.folder / "student-4.pt")
    # Without its LoRA, whose training was stopped, another student is in no file.
    changed = torch.load(folder / "student-8.pt", weights_only=True)
    changed["modules"]["unet"]["conv_in.bias"].add_(1)
    torch.save(changed, folder / "student-8.pt")
    run.export(exported)
    loras = {path.name for path in (exported / "lightning").glob("*lora*")}
    assert loras == {f"sdxl_lightning_{steps}step_lora.safetensors" for steps in (4, 2)}
    assert "lora-8 is left out" in capsys.readouterr().out


def test_a_lora_of_an_older_run_is_finished(finished: TrainingRun, tmp_path: Path) -> None:
    copy_of(finished, tmp_path)
    saved = torch.load(tmp_path / "lora-8.pt", weights_only=True)
    saved.pop("made_of", None)
    (tmp_path / "lora-8.pt").unlink()
    torch.save(saved, tmp_path / "lora-8.pt")
    TrainingRun(tmp_path, config=CONFIG).distill(8, ONE_STEP)
    assert same_lora(tmp_path, finished.folder)


def copy_of(finished: TrainingRun, folder: Path) -> None:
    """A run with the same files; those of stages are never written in place."""
    folder.mkdir(exist_ok=True)
    for path in finished.folder.iterdir():
        (folder / path.name).symlink_to(path)


def same_lora(*folders: Path) -> bool:
    one, other = (
        torch.load(folder / "lora-8.pt", weights_only=True)["modules"]["lora"] for folder in folders
    )
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def weights(path: Path) -> torch.Tensor:
    """All numbers of a stage's UNet, in one row."""
    state = torch.load(path, weights_only=True)["modules"]["unet"]
    return torch.cat([state[name].flatten() for name in sorted(state)])


def distance(mine: torch.Tensor, other: torch.Tensor) -> float:
    return float((mine - other).norm())
