"""Sentence nearest neighbour: what is no fault of form, and what is."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderTiny
from PIL import ImageFilter

from lightning_demo.miniature import sentence_nn as module
from lightning_demo.miniature import suites
from lightning_demo.miniature.autoencoder import encode_pictures
from lightning_demo.miniature.sentence_nn import (
    Sentence,
    measure,
    nearest,
    read_sentences,
    reconstructions,
    thing,
)
from lightning_demo.miniature.suites import Task
from lightning_demo.miniature.world import PAINTED, SUBJECTS, held_out

VAE = Path(__file__).parents[2] / "assets" / "miniature" / "base" / "vae"


@pytest.fixture(scope="module")
def vae():
    return AutoencoderTiny.from_pretrained(VAE, variant="fp16", torch_dtype=torch.float32).eval()


@pytest.fixture
def latents() -> torch.Tensor:
    return torch.randn(5, 4, 16, 16, generator=torch.Generator().manual_seed(0))


def test_a_render_is_no_distance_from_itself(latents: torch.Tensor):
    assert nearest(latents, latents).tolist() == [0] * 5
    assert nearest(latents[:1], latents[1:])[0] > 0.5


@pytest.mark.parametrize("shift", [(1, 0), (-1, 1), (0, -1)])
def test_a_shift_by_one_latent_is_no_fault_and_by_two_is(
    latents: torch.Tensor, shift: tuple[int, int]
):
    assert nearest(latents.roll(shift, (2, 3)), latents).max() == 0
    assert nearest(latents.roll((2 * shift[0], 2 * shift[1]), (2, 3)), latents).min() > 0.5


def test_only_where_the_thing_stands_counts(latents: torch.Tensor):
    around = torch.full_like(latents, 9.0)
    around[..., 4:, 2:14] = latents[..., 4:, 2:14]  # as far as a shift reaches
    assert nearest(around, latents).max() == 0
    assert thing(latents).shape == (5, 4, 10, 10)
    assert torch.equal(thing(latents), latents[..., 5:15, 3:13])


@pytest.mark.parametrize(("width", "height"), PAINTED)
def test_the_thing_is_in_the_middle_of_every_size_and_may_move(width: int, height: int):
    place = torch.arange(width // 16 * (height // 16)).view(1, 1, height // 16, width // 16)
    part = thing(place)
    columns = part[0, 0, 0] % (width // 16)
    assert columns[0] + columns[-1] == width // 16 - 1
    for down in (-1, 1):
        for right in (-1, 1):
            assert thing(place, down, right).shape == part.shape


def test_scores_are_means_over_prompts_with_their_error(monkeypatch: pytest.MonkeyPatch):
    # Renders are 0, pictures constant: their distance is their square, whatever is encoded.
    values = torch.tensor([1.0, 3.0, 2.0, 2.0, 0.0, 0.0])  # two seeds of each of three prompts
    drawn = values.sqrt().view(-1, 1, 1, 1).expand(-1, 4, 16, 16)
    monkeypatch.setattr(module, "encode_pictures", lambda vae, pictures: drawn)
    sentences = [
        Sentence(Task(name, {"name": name}), (256, 256), torch.zeros(7, 4, 16, 16), 10.0)
        for name in ("cat", "cat", "boat")
    ]
    score = measure(None, sentences, [])
    assert score.by_prompt == pytest.approx((2, 2, 0))
    assert score.mean == pytest.approx(4 / 3)
    assert score.error == pytest.approx((4 / 3) ** 0.5 / 3**0.5)  # variance 4/3, three prompts
    assert score.by_subject == pytest.approx({"cat": 2, "boat": 0})
    # Within the first prompt alone seeds differ: sqrt(400 latents) * (sqrt(3) - 1).
    assert score.diversity == pytest.approx(20 * (3**0.5 - 1) / 30, rel=1e-5)


def test_a_lump_is_further_than_a_reconstruction(vae, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "RENDERS", 40)
    lighthouses = [t for t in suites.balanced(2) if t.asked["name"] == "lighthouse"]
    sentences = read_sentences(vae, lighthouses, PAINTED[0])
    sharp = reconstructions(vae, sentences, 4)
    lumps = [picture.filter(ImageFilter.GaussianBlur(16)) for picture in sharp]
    good, bad = measure(vae, sentences, sharp), measure(vae, sentences, lumps)
    assert bad.mean > 1.3 * good.mean
    assert bad.diversity < 0.7 * good.diversity


def test_further_renders_are_not_among_those_that_are_searched(vae, monkeypatch):
    monkeypatch.setattr(module, "RENDERS", 3)
    sentences = read_sentences(vae, suites.balanced(1)[:1], PAINTED[1])
    assert sentences[0].renders.shape == (3, 4, 16, 24)
    (again,) = reconstructions(vae, sentences, 1)
    assert again.size == PAINTED[1]
    assert nearest(encode_pictures(vae, [again]), sentences[0].renders)[0] > 0.005


def test_balanced_prompts_show_every_subject_equally_often():
    tasks = suites.balanced(2)
    assert [task.asked["name"] for task in tasks] == [name for name in SUBJECTS for _ in range(2)]
    assert len({task.prompt for task in tasks}) == len(tasks)
    assert all(held_out(*triple) for task in tasks for triple in task.scene.triples)
