"""The checkpoint table: the right weights for a step count, or none."""

import pytest

from lightning_demo.model.weights.checkpoints import MINIATURE, MODELS, SDXL_LIGHTNING
from lightning_demo.model.weights.model_spec import BASE_UNET


@pytest.mark.parametrize("name", MODELS)
def test_one_step_predicts_the_picture_and_the_others_what_their_base_does(name: str):
    of_base = {"sdxl-lightning": "epsilon", "miniature": "v_prediction"}[name]
    for checkpoint in MODELS[name].checkpoints:
        expected = "sample" if checkpoint.num_inference_steps == 1 else of_base
        assert checkpoint.prediction_type == expected
        assert f"_{checkpoint.num_inference_steps}step_" in checkpoint.file
        assert ("x0" in checkpoint.file) == (expected == "sample")
        assert checkpoint.is_lora == checkpoint.file.endswith("_lora.safetensors")


def test_there_is_no_one_step_lora():
    assert not SDXL_LIGHTNING.checkpoint(1).is_lora
    assert all(not c.is_lora for f in MODELS.values() for c in f.checkpoints[:1])


@pytest.mark.parametrize("steps", [0, 3, 5, 12])
def test_a_step_count_without_weights_has_no_checkpoint(steps: int):
    with pytest.raises(KeyError):
        SDXL_LIGHTNING.checkpoint(steps)


@pytest.mark.parametrize("name", MODELS)
def test_files_are_exact_names_each_repository_once(name: str):
    entry = MODELS[name]
    for steps in entry.limits.num_inference_steps:
        wanted = entry.files(steps)
        repositories = [repository for repository, _ in wanted]
        assert len(set(repositories)) == len(repositories)
        names = [file for _, files in wanted for file in files]
        assert not any(set(file) & set("*?[") for file in names)
        assert entry.checkpoint(steps).file in names
        assert (BASE_UNET in names) == entry.checkpoint(steps).is_lora
    everything = entry.files(*entry.limits.num_inference_steps)
    assert len(everything[-1][1]) == len(entry.checkpoints)


def test_every_file_that_is_named_is_shipped():
    for repository, files in MINIATURE.files(1, 2, 4, 8):
        assert repository.folder is not None
        assert all((repository.folder / file).is_file() for file in files)


@pytest.mark.parametrize("name", MODELS)
def test_limits_follow_from_the_table(name: str):
    entry = MODELS[name]
    limits = entry.limits
    assert limits.num_inference_steps == tuple(sorted(limits.num_inference_steps))
    assert limits.default_steps == 4
    for width, height in entry.sizes:
        assert width % 8 == height % 8 == 0
        assert limits.min_side <= min(width, height) <= max(width, height) <= limits.max_side


@pytest.mark.parametrize("name", MODELS)
def test_hub_repositories_are_pinned_to_a_commit(name: str):
    entry = MODELS[name]
    for repository in (entry.base, entry.lightning, entry.preview, entry.vae):
        if repository is not None and repository.folder is None:
            assert len(repository.revision) == 40
            assert int(repository.revision, 16)


def test_every_shipped_weight_file_is_in_the_table_with_its_hash():
    assert MINIATURE.lightning.folder is not None and MINIATURE.base.folder is not None
    root = MINIATURE.base.folder.parent
    shipped = {f"miniature/{path.relative_to(root)}" for path in root.rglob("*.safetensors")}
    assert shipped == set(MINIATURE.sha256)
    assert {c.file for c in MINIATURE.checkpoints} == {
        path.name for path in MINIATURE.lightning.folder.iterdir()
    }


def test_assets_stay_small():
    root = MINIATURE.base.folder.parent.parent
    assert sum(path.stat().st_size for path in root.rglob("*") if path.is_file()) < 40e6


def test_the_miniature_says_which_words_it_knows():
    vocabulary = MINIATURE.vocabulary()
    assert "house" in vocabulary.groups["subjects"]
    assert len(vocabulary.groups["colours"]) == 9
    assert "a red house by the sea at sunset" in vocabulary.examples


def test_sdxl_knows_any_word():
    assert SDXL_LIGHTNING.vocabulary().groups == {}
    assert SDXL_LIGHTNING.vocabulary().examples
