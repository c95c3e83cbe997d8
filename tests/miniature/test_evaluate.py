"""The evaluation: the judge, its questions, the report and the card, on an untrained model."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderTiny
from PIL import Image

from lightning_demo.miniature import card as card_module
from lightning_demo.miniature import evaluate as module
from lightning_demo.miniature import form, sentence_nn, speed, suites
from lightning_demo.miniature.architecture import save_untrained
from lightning_demo.miniature.card import END, START, block, readme_table, table, write_card
from lightning_demo.miniature.classifier import (
    HEADS,
    Classifier,
    facts,
    judge_accuracy,
    label,
    load_classifier,
    save_classifier,
    to_pixels,
)
from lightning_demo.miniature.evaluate import CLASSIFIER, MODELS, Size, evaluate
from lightning_demo.miniature.picture import draw_scene
from lightning_demo.miniature.suites import BEST
from lightning_demo.miniature.vocabulary import SUBJECTS, plural
from lightning_demo.miniature.world import BUCKETS, PAINTED, Scene, Thing, held_out, sample_scene

SHIPPED = Path(__file__).parents[2] / "assets" / "miniature"
TINY = Size(
    one=2,
    two=1,
    counts=1,
    bare_seeds=1,
    round_trips=2,
    sentences=1,
    sentence_seeds=2,
    told_apart=5,
)


def test_labels_say_what_a_scene_shows():
    scene = Scene((Thing("cat", "red"), Thing("house", "blue")), "sea", "night", relation="front")
    told = {head: HEADS[head][n] for head, n in zip(HEADS, label(scene), strict=True) if n >= 0}
    assert told == facts(scene)
    assert (told["name_2"], told["relation"], told["count"]) == ("house", "front", "pair")
    assert "background" not in told
    assert facts(Scene((), "sea", "day"))["count"] == "0"
    for seed in range(200):
        assert len(label(sample_scene(seed))) == len(HEADS)


@pytest.mark.parametrize("suite", [suites.one_subject, suites.two_subjects, suites.counts])
def test_prompts_name_held_out_combinations_and_all_that_is_asked(suite):
    tasks = suite(60)
    assert len({task.prompt for task in tasks}) > 40
    for task in tasks:
        assert task.scene is not None
        assert all(held_out(*triple) for triple in task.scene.triples)
        assert task.asked.items() <= facts(task.scene).items()
        for thing in task.scene.things:
            assert thing.colour in task.prompt
            assert thing.name in task.prompt or plural(thing.name) in task.prompt


def test_bare_prompts_are_one_word_each():
    assert [task.prompt for task in suites.bare_prompts(1)][:2] == ["a house", "a castle"]
    assert len(suites.bare_prompts(3)) == 3 * len(SUBJECTS)


def test_the_judge_is_read_as_it_was_saved(tmp_path: Path):
    torch.manual_seed(0)
    judge = Classifier().eval()
    save_classifier(judge, tmp_path / "deep" / "judge.safetensors")
    again = load_classifier(tmp_path / "deep" / "judge.safetensors")
    pixels = to_pixels([draw_scene(sample_scene(seed), 128, 128) for seed in range(3)])
    assert pixels.shape == (3, 3, 64, 64)
    assert -1 <= pixels.min() < pixels.max() <= 1
    with torch.inference_mode():
        for head, logits in judge(pixels).items():
            torch.testing.assert_close(again(pixels)[head], logits, atol=5e-3, rtol=5e-3)


@pytest.mark.parametrize("size", [BUCKETS[0], PAINTED[0]])
def test_the_shipped_judge_tells_renders(size: tuple[int, int]):
    judge = load_classifier(SHIPPED / CLASSIFIER)
    scenes = [sample_scene(seed) for seed in range(64)]
    told = judge.tell(to_pixels([draw_scene(scene, *size) for scene in scenes]))
    right = [
        facts(scene)["style"] == t["style"] and facts(scene).get("name", t["name"]) == t["name"]
        for scene, t in zip(scenes, told, strict=True)
    ]
    assert sum(right) >= 0.9 * len(right)


@pytest.mark.usefixtures("narrow")
def test_an_untrained_model_is_measured_and_written_into_its_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    # Fewer of what takes a minute: steps, seeds, prompts, timed rounds, the judge's own renders.
    monkeypatch.setattr(module, "TEACHER_STEPS", 2)
    monkeypatch.setattr(suites, "SUBJECTS", dict(list(SUBJECTS.items())[:2]))
    monkeypatch.setattr(module, "judge_accuracy", partial(judge_accuracy, count=8))
    monkeypatch.setattr(speed, "ROUNDS", 1)
    monkeypatch.setattr(sentence_nn, "RENDERS", 4)
    monkeypatch.setattr(form, "REAL", 2)
    monkeypatch.setattr(form, "CRITIC_STEPS", 2)
    monkeypatch.setattr(form, "load_imagenet", lambda: patches)
    save_untrained(tmp_path, seed=1)
    torch.manual_seed(0)
    save_classifier(Classifier(), tmp_path / CLASSIFIER)
    report = evaluate(tmp_path, TINY)
    for key in ("one_subject", "two_subjects", "counts", "bare_prompts"):
        assert tuple(report[key]) == MODELS
        assert all(0 <= share <= 1 for share in report[key].values())
    assert report["one_subject"]["4"] < 0.5, "noise is no picture of what was asked"
    assert report["diversity"] > 0
    assert report["autoencoder_psnr_db"] > 15
    everything = {*MODELS, BEST}
    for key in ("sentence_nn", "sentence_nn_error", "sentence_diversity", "sentence_nn_by_subject"):
        assert report[key].keys() == everything
    assert report["sentence_nn"][BEST] < report["sentence_nn"]["4"], "noise is no form"
    assert report["sentence_nn_ratio"].keys() == report["sentence_nn_sigmas"].keys() == {*MODELS}
    assert report["sentence_nn_by_subject"]["4"].keys() == set(list(SUBJECTS)[:2])
    assert report["sentence_nn_by_size"].keys() == {"384x256", "256x384"}
    assert report["sentence_nn_by_size"]["384x256"].keys() == {"4", BEST}
    for key in ("imagenet_precision", "imagenet_recall"):
        assert report[key].keys() == everything
        assert all(0 <= share <= 1 for share in report[key].values())
    assert report["imagenet_precision"]["4"] < report["imagenet_precision"][BEST]
    assert 0 <= report["critic_accuracy"]["4"] <= 1
    card = tmp_path / "README.md"
    card.write_text(f"before\n{START}\nold\n{END}\nafter\n", encoding="utf-8")
    with monkeypatch.context() as first:
        first.setattr(card_module, "plot", lambda report, file: None)
        write_card(tmp_path, report)
    write_card(tmp_path, report)  # again: replaced, not repeated
    text = card.read_text(encoding="utf-8")
    assert text.startswith("before") and text.endswith("after\n") and "old" not in text
    assert text.count("| teacher") == 1
    assert "| | sentence NN | its diversity | precision | recall | one subject |" in text
    assert text.count("| renders, through the autoencoder |") == 1
    assert readme_table(report).splitlines()[2].startswith("| how far from the nearest drawing")
    saved = json.loads((tmp_path / "evaluation" / "evaluation.json").read_text(encoding="utf-8"))
    assert saved == report
    with Image.open(tmp_path / "evaluation" / "evaluation.png") as plot:
        assert plot.width > 900, "form and shares"


def test_what_was_not_measured_has_no_column():
    report = json.loads((SHIPPED / "evaluation" / "evaluation.json").read_text(encoding="utf-8"))
    report["imagenet_precision"] = report["imagenet_recall"] = None
    assert "precision" not in table(report)
    assert len({line.count("|") for line in table(report).splitlines()}) == 1
    assert len({line.count("|") for line in readme_table(report).splitlines()}) == 1


def test_without_its_network_precision_is_null_and_the_log_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(sentence_nn, "RENDERS", 2)
    monkeypatch.setattr(suites, "SUBJECTS", dict(list(SUBJECTS.items())[:1]))
    monkeypatch.setattr(form, "load_imagenet", lambda: None)
    vae = AutoencoderTiny.from_pretrained(SHIPPED / "base" / "vae", variant="fp16").eval().float()
    measured = form.Form(vae, each=2, seeds=2, stretched=0, told_apart=0)
    assert "pip install -r requirements-evaluate.txt" in caplog.text
    report = measured.report()
    assert report["imagenet_precision"] is report["imagenet_recall"] is None
    assert report["sentence_nn_by_size"] == {}
    assert report["critic_accuracy"] is None
    assert report["sentence_nn"][BEST] > 0


def patches(pictures: list[Image.Image]) -> torch.Tensor:
    """Features for the form of the report: colours of four by four patches."""
    return torch.stack([torch.tensor(list(p.resize((4, 4)).tobytes())).float() for p in pictures])


def test_the_shipped_card_has_the_shipped_evaluation():
    report = json.loads((SHIPPED / "evaluation" / "evaluation.json").read_text(encoding="utf-8"))
    assert block(report) in (SHIPPED / "README.md").read_text(encoding="utf-8")


def test_names_and_colours_of_a_pair_count_in_any_order():
    asked = {"name": "cat", "name_2": "dog", "colour": "red", "colour_2": "blue"}
    swapped = {"name": "dog", "name_2": "cat", "colour": "red", "colour_2": "red"}
    assert suites.same_set(asked, swapped, "name")
    assert not suites.same_set(asked, swapped, "colour")
