"""Batches: captions belong to their pictures, cut-outs say where they were cut."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from lightning_demo.miniature.architecture import build_components, build_tokenizer
from lightning_demo.miniature.captions import Caption
from lightning_demo.miniature.dataset import Dataset, LatentBucket, build_dataset
from lightning_demo.miniature.pool import Bucket
from lightning_demo.miniature.text import TextEncoders, tokenize

CPU = torch.device("cpu")


def bucket(*captions: str) -> Bucket:
    pictures = np.zeros((len(captions), 128, 128, 3), np.uint8)
    return Bucket(128, 128, pictures, [[Caption(text), Caption(f"{text}s")] for text in captions])


def test_captions_are_tokenised_once_and_anew_where_they_are_others(tmp_path: Path):
    tokenizer = build_tokenizer(tmp_path / "tokenizer")
    parts = build_components(len(tokenizer))
    encoders = TextEncoders(parts.text_encoder, parts.text_encoder_2)

    def tokens(*captions: str) -> torch.Tensor:
        pool = [bucket(*captions)]
        return build_dataset(parts.vae, encoders, tokenizer, pool, tmp_path, CPU).buckets[0].tokens

    first = tokens("a red cat", "a blue dog")
    assert torch.equal(first[1, 1].long(), tokenize(tokenizer, ["a blue dogs"])[0])
    written = (tmp_path / "tokens.pt").stat().st_mtime_ns
    assert torch.equal(tokens("a red cat", "a blue dog"), first)
    assert (tmp_path / "tokens.pt").stat().st_mtime_ns == written
    assert not torch.equal(tokens("a red cat", "a green dog"), first)


@pytest.mark.usefixtures("narrow")
def test_pictures_are_encoded_once_and_anew_by_another_encoder_or_where_they_are_others(
    tmp_path: Path,
):
    tokenizer = build_tokenizer(tmp_path / "tokenizer")
    parts = build_components(len(tokenizer))
    encoders = TextEncoders(parts.text_encoder, parts.text_encoder_2)
    pool = [bucket("a red cat", "a blue dog")]

    def latents() -> torch.Tensor:
        dataset = build_dataset(parts.vae, encoders, tokenizer, pool, tmp_path, CPU)
        return dataset.buckets[0].latents.clone()

    first = latents()
    written = (tmp_path / "latents.pt").stat().st_mtime_ns
    torch.nn.init.constant_(parts.vae.decoder.layers[-1].bias, 3.0)  # makes no latents
    assert torch.equal(latents(), first)
    assert (tmp_path / "latents.pt").stat().st_mtime_ns == written
    torch.nn.init.constant_(parts.vae.encoder.layers[-1].bias, 3.0)
    second = latents()
    assert not torch.equal(second, first), "as many pictures, but another encoder"
    pool[0].pictures[1] = 255
    third = latents()
    assert torch.equal(third[0], second[0]) and not torch.equal(third[1], second[1])
    pool[0] = bucket("a red cat")
    assert len(latents()) == 1


def numbered() -> Dataset:
    """Every latent and every state says which picture it belongs to."""
    square = torch.arange(1, 6).float()[:, None, None, None].expand(5, 4, 16, 16).clone()
    columns = torch.arange(24).float().expand(1, 4, 16, 24).clone()
    buckets = [
        LatentBucket(square, torch.arange(1, 6)[:, None, None].expand(5, 3, 32)),
        LatentBucket(columns, torch.full((1, 3, 32), 6)),
    ]

    def encode(tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        numbers = tokens[:, 0].float()
        return numbers[:, None, None].expand(-1, 32, 224), numbers[:, None].expand(-1, 128)

    return Dataset(buckets, torch.zeros(32, dtype=torch.long), encode)


def draws(count: int, **options: float) -> list:
    dataset = numbered()
    return [dataset.draw(4, torch.Generator().manual_seed(n), CPU, **options) for n in range(count)]


def test_captions_belong_to_their_pictures():
    for batch in draws(20):
        if batch.latents.shape[3] == 16:
            assert torch.equal(batch.latents[:, 0, 0, 0], batch.given.states[:, 0, 0])
        assert torch.equal(batch.given.states[:, 0, 0], batch.given.pooled[:, 0])


def test_the_same_seed_draws_the_same_batch():
    for first, second in zip(draws(5), draws(5), strict=True):
        assert torch.equal(first.latents, second.latents)
        assert torch.equal(first.given.states, second.given.states)


def test_some_captions_become_the_empty_one():
    empty = sum(int((b.given.pooled[:, 0] == 0).sum()) for b in draws(50, empty_share=0.3))
    assert 30 < empty < 90
    assert all((b.given.pooled[:, 0] > 0).all() for b in draws(20))


def test_cut_outs_are_square_and_say_where_they_were_cut():
    batches = draws(90, crop_share=1.0)
    cut = [b for b in batches if b.given.time_ids[0, 0] != b.given.time_ids[0, 1]]
    assert len(cut) > 3
    for batch in cut:
        height, width, top, left, target_height, target_width = batch.given.time_ids[0].tolist()
        grain = target_height / 16
        assert batch.latents.shape[2:] == (16, 16)
        assert (height, width, top) == (16 * grain, 24 * grain, 0)
        assert target_height == target_width
        assert batch.latents[0, 0, 0, 0] == left / grain, "the first column is the one cut at"
    assert len({b.given.time_ids[0, 3].item() for b in cut}) > 2


def test_whole_pictures_say_either_of_their_sizes():
    grains = set()
    for batch in draws(20):
        h, w = batch.latents.shape[2:]
        grain = batch.given.time_ids[0, 0].item() / h
        assert batch.given.time_ids[0].tolist() == [
            h * grain,
            w * grain,
            0,
            0,
            h * grain,
            w * grain,
        ]
        grains.add(grain)
    assert grains == {8, 16}
