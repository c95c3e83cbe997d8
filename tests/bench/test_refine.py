"""`bench refine`: what each way from a draft to the asked picture is, and the document."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from lightning_demo.bench import refine
from lightning_demo.bench.refine import (
    PAIRS,
    Run,
    accuracy,
    distances,
    paint,
    perceptual,
    shared_steps,
    ways,
)
from lightning_demo.cli import main
from lightning_demo.engine.draft_policy import drafts
from lightning_demo.miniature.classifier import Classifier, to_pixels
from lightning_demo.model.weights.checkpoints import SDXL_LIGHTNING

PROMPT = "a red house by the sea at sunset"


@pytest.fixture(scope="module")
def runs(sampler: Any, ask: Any) -> dict[int, Run]:
    return {n: paint(sampler, ask(PROMPT, num_inference_steps=n)) for n in (2, 4)}


def test_the_grids_nest():
    assert shared_steps(2, 4) == [(1, 2)]
    assert shared_steps(2, 8) == [(1, 4)]
    assert shared_steps(4, 8) == [(1, 2), (2, 4), (3, 6)]


def test_only_resampling_and_previews_end_with_the_plain_picture(
    sampler: Any, ask: Any, runs: dict[int, Run]
):
    row = sampler.begin(ask(PROMPT))
    while not row.done:
        sampler.step([row])
    plain = sampler.finish(row)
    found = ways(sampler, runs[2], runs[4])
    previews = [f"preview after {n}" for n in (1, 2, 3, 4)]
    assert list(found) == ["resampled", "locked at 499", *previews]
    for name in ("resampled", *previews):
        assert np.array_equal(found[name].settled, plain), name
    assert not np.array_equal(found["locked at 499"].settled, plain)
    assert [pair.unet_steps for pair in found.values()] == [6, 4, 4, 4, 4, 4]


def test_a_locked_picture_begins_with_the_drafts_latents(
    sampler: Any, ask: Any, runs: dict[int, Run]
):
    shared = runs[2].latents[1]
    locked = paint(sampler, ask(PROMPT), shared, 2)
    assert torch.equal(locked.latents[0], shared)
    assert len(locked.latents) == 3, "two of four steps are left"
    assert torch.equal(runs[2].latents[0], runs[4].latents[0]), "the same noise"
    again = paint(sampler, ask(PROMPT), runs[4].latents[2], 2)
    assert np.array_equal(again.picture, runs[4].picture)


def test_what_is_drafted_is_what_was_measured(ask: Any):
    measured = set(PAIRS)
    asked = replace(ask(num_inference_steps=8), width=1024, height=1024)
    found = {(each.num_inference_steps, 8) for each in drafts(asked, SDXL_LIGHTNING.limits)}
    assert found and found <= measured


def test_distances_of_equal_and_different_pictures(runs: dict[int, Run]):
    torch.manual_seed(0)
    judge = Classifier().eval()
    one, two = runs[2].picture[None], runs[4].picture[None]
    assert distances(judge, one, one) == {"mean": 0.0, "rmse": 0.0, "perceptual": 0.0}
    assert all(value > 0 for value in distances(judge, one, two).values())
    black, white = np.zeros_like(one), np.full_like(one, 255)
    assert distances(judge, black, white)["mean"] == distances(judge, black, white)["rmse"] == 255
    there = perceptual(judge, to_pixels(one), to_pixels(two))
    assert torch.equal(there, perceptual(judge, to_pixels(two), to_pixels(one)))


def test_the_document(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(refine, "PAIRS", ((2, 4),))
    assert main(["bench", "refine", "--prompts", "1", "--threads", "1"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (result["benchmark"], result["prompts"]) == ("refine", 1)
    assert list(result["pairs"]) == ["2 -> 4"]
    for pair in result["pairs"].values():
        assert {"resampled", "preview after 1", "another seed"} < pair.keys()
        for name, values in pair.items():
            another = values["from_asked"]["mean"] > 0
            assert another == name.startswith("locked"), "which is not the one asked for"
            assert set(values["jump"]) == {"mean", "rmse", "perceptual"}
        again = {name: values["settled_accuracy"] for name, values in pair.items()}
        same = {again[name] for name in again if not name.startswith("locked")}
        assert len(same) == 1, "all but the locked ones end with the same pictures"


def test_a_picture_is_right_when_the_judge_sees_all_that_was_asked():
    seen = [{"thing": "cat", "colour": "red"}, {"thing": "cat", "colour": "red"}]
    judge: Any = SimpleNamespace(tell=lambda pixels: seen)
    asked = ({"thing": "cat"}, {"thing": "cat", "colour": "blue"})
    tasks: Any = [SimpleNamespace(asked=each) for each in asked]
    assert accuracy(judge, tasks, np.zeros((2, 128, 128, 3), np.uint8)) == 0.5
