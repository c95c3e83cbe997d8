"""The training loop: losses fall, a stopped run goes on as if it had not stopped."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from diffusers import AutoencoderTiny

from lightning_demo.miniature import training
from lightning_demo.miniature.adopt import adopt_autoencoder, adopt_teacher
from lightning_demo.miniature.architecture import build_components, build_tokenizer, save_model
from lightning_demo.miniature.autoencoder import halve, psnr, train_autoencoder
from lightning_demo.miniature.config import LrPlan, TrainingConfig
from lightning_demo.miniature.dataset import build_dataset
from lightning_demo.miniature.picture import draw_scene
from lightning_demo.miniature.pool import Bucket, open_pool, render_pool
from lightning_demo.miniature.stage_files import load_stage
from lightning_demo.miniature.teacher import train_teacher
from lightning_demo.miniature.text import (
    ATTRIBUTES,
    TextEncoders,
    label_caption,
    pretrain_text,
)
from lightning_demo.miniature.training import (
    Length,
    Moment,
    Rival,
    Stage,
    lr_at,
    run_stage,
)
from lightning_demo.miniature.training_run import TrainingRun
from lightning_demo.miniature.world import sample_scene

CPU = torch.device("cpu")
SHIPPED = Path(__file__).parents[2] / "assets" / "miniature"
CONFIG = TrainingConfig(
    threads=1,
    pictures=20,
    sharp_pictures=20,
    captions_per_picture=2,
    autoencoder_batch=2,
    text_batch=8,
    teacher_batch=2,
    autoencoder_lr=LrPlan(5e-4, warm_up_steps=2),
    text_lr=LrPlan(1e-3, warm_up_steps=2),
    teacher_lr=LrPlan(1e-3, warm_up_steps=2),
)


@pytest.fixture(scope="module")
def buckets(tmp_path_factory: pytest.TempPathFactory) -> list[Bucket]:
    folder = tmp_path_factory.mktemp("pool")
    render_pool(folder, CONFIG, workers=1)
    return open_pool(folder)


def line_stage() -> Stage:
    torch.manual_seed(0)
    line = torch.nn.Linear(3, 1)

    rival = torch.nn.Linear(1, 1)
    seen: list[torch.Tensor] = []

    def loss(at: Moment) -> torch.Tensor:
        x = torch.randn(16, 3, generator=at.generator)
        made = line(x)
        seen[:] = [made.detach()] if at.progress >= 0.3 else []
        error = (made - x.sum(1, keepdim=True)).square().mean()
        return error + (1e-3 * rival(made).square().mean() if seen else 0)

    def rival_loss() -> torch.Tensor | None:
        return (rival(seen[0]) - 1).square().mean() if seen else None

    plan = LrPlan(0.05, warm_up_steps=2)
    other = Rival({"rival": rival}, rival_loss, lr=0.01)
    return Stage("line", {"line": line}, loss, plan, ema_decay=0.9, rival=other)


def test_a_stage_learns_and_keeps_the_average(tmp_path: Path):
    stage = line_stage()
    losses = run_stage(stage, Length(steps=80), tmp_path, CONFIG)
    assert losses[-1] < 0.05 * losses[0]
    other = line_stage()
    assert load_stage(tmp_path, "line", other.modules)
    assert torch.equal(other.modules["line"].weight, stage.modules["line"].weight)


def test_a_resumed_stage_equals_one_in_one_go(tmp_path: Path):
    whole, halves = line_stage(), line_stage()
    expected = run_stage(whole, Length(steps=20), tmp_path / "whole", CONFIG)
    first = run_stage(halves, Length(steps=20), tmp_path / "halves", CONFIG, stop_after=7)
    fresh = line_stage()
    rest = run_stage(fresh, Length(steps=20), tmp_path / "halves", CONFIG)
    assert first + rest == expected
    assert whole.rival is not None and fresh.rival is not None
    assert torch.equal(fresh.rival.modules["rival"].weight, whole.rival.modules["rival"].weight), (
        "the discriminator is resumed, too"
    )
    assert torch.equal(fresh.modules["line"].weight, whole.modules["line"].weight)


def test_a_checkpoint_made_from_other_weights_is_not_gone_on_with(tmp_path: Path):
    def steps(made_of: str | None, stop_after: int | None = 5) -> int:
        stage = replace(line_stage(), made_of=made_of)
        return len(run_stage(stage, Length(steps=20), tmp_path, CONFIG, stop_after=stop_after))

    assert [steps(None, 3), steps("a"), steps("a"), steps("b")] == [3, 2, 0, 5]
    assert steps("b", None) == 15
    assert torch.load(tmp_path / "line.pt", weights_only=True)["made_of"] == "b"


def test_gradients_that_are_not_finite_end_a_stage_and_leaves_its_checkpoint(tmp_path: Path):
    stage = line_stage()
    run_stage(stage, Length(steps=20), tmp_path, CONFIG, stop_after=3)
    kept, again = (tmp_path / "line.resume.pt").read_bytes(), line_stage()

    def broken(at: Moment) -> torch.Tensor:
        return again.loss(at) * math.nan

    with pytest.raises(FloatingPointError, match="line: step 3 has a loss of nan"):
        run_stage(replace(again, loss=broken), Length(steps=20), tmp_path, CONFIG)
    assert (tmp_path / "line.resume.pt").read_bytes() == kept


@pytest.mark.parametrize("stopped", [None, 7])
def test_a_process_that_was_suspended_has_not_trained_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stopped: int | None
):
    """A minute of steps of a second each, and of one in which the process stood for an hour.

    Also where that is the first after it was resumed.
    """
    now = 0.0
    monkeypatch.setattr(training, "time", SimpleNamespace(monotonic=lambda: now))
    stage = line_stage()

    def loss(at: Moment) -> torch.Tensor:
        nonlocal now
        now += 3600 if now == 7 else 1
        return stage.loss(at)

    slow = replace(stage, loss=loss)
    first = run_stage(slow, Length(minutes=1), tmp_path, CONFIG, stop_after=stopped)
    rest = run_stage(slow, Length(minutes=1), tmp_path, CONFIG) if stopped else []
    assert len(first + rest) == 60 - 9  # it counts ten


def test_the_shipped_autoencoder_gives_pictures_back():
    vae = AutoencoderTiny.from_pretrained(SHIPPED / "base" / "vae", variant="fp16").float()
    pictures = np.stack([np.asarray(draw_scene(sample_scene(seed), 256, 256)) for seed in range(8)])
    assert psnr(vae, vae.decoder, pictures, CPU) > 24  # an untrained decoder: 17


@pytest.mark.usefixtures("narrow")
def test_an_exported_teacher_goes_on(buckets: list[Bucket], tmp_path: Path):
    exported, run = tmp_path / "exported", tmp_path / "run"
    training = TrainingRun(run, config=CONFIG)
    theirs = build_components(len(training.tokenizer), seed=5)
    save_model(exported, theirs)
    adopt_autoencoder(exported, run)
    adopt_teacher(exported, run)
    assert load_stage(run, "text", training.encoders.modules)
    for name, value in theirs.text_encoder_2.state_dict().items():
        assert torch.equal(training.encoders.second.state_dict()[name], value.half().float())
    unet = build_components(len(training.tokenizer)).unet
    dataset = build_dataset(
        training.parts.vae, training.encoders, training.tokenizer, buckets, run, CPU
    )
    train_teacher(unet, dataset, Length(steps=100), run, CONFIG, CPU, stop_after=0)
    for name, value in theirs.unet.state_dict().items():
        assert torch.equal(unet.state_dict()[name], value.half().float())


def test_the_learning_rate_warms_up_holds_and_falls():
    plan = LrPlan(1.0, warm_up_steps=10, constant_until=0.5, final=0.1)
    assert lr_at(plan, 0, 0.0) == pytest.approx(0.1)
    assert lr_at(plan, 50, 0.4) == 1.0
    assert lr_at(plan, 99, 0.75) == pytest.approx(0.55)
    assert lr_at(plan, 99, 1.0) == pytest.approx(0.1)


@pytest.mark.usefixtures("narrow")
def test_the_autoencoder_gets_better_from_its_start(sharp: list[Bucket], tmp_path: Path):
    vae = build_components(1000).vae
    assert psnr(vae, vae.decoder, sharp[0].pictures[:8], CPU) > 18
    losses = train_autoencoder(vae, sharp, Length(steps=12), tmp_path, CONFIG, CPU)
    assert sum(losses[-4:]) < sum(losses[:4])


def test_the_sharp_pool_shows_the_same_scenes(buckets: list[Bucket], sharp: list[Bucket]):
    for some, large in zip(buckets, sharp, strict=True):
        assert large.captions == some.captions
        whole = torch.from_numpy(large.pictures[:].astype(np.float32)).permute(0, 3, 1, 2)
        halved = halve(whole).permute(0, 2, 3, 1).numpy()
        assert np.abs(halved - some.pictures).mean() < 2


@pytest.mark.usefixtures("narrow")
def test_text_encoders_and_teacher_train_and_the_teacher_resumes(
    buckets: list[Bucket], tmp_path: Path
):
    tokenizer = build_tokenizer(tmp_path / "tokenizer")
    parts = build_components(len(tokenizer))
    encoders = TextEncoders(parts.text_encoder, parts.text_encoder_2)
    losses = pretrain_text(encoders, tokenizer, Length(steps=6), tmp_path, CONFIG, CPU)
    assert losses[-1] < losses[0]
    dataset = build_dataset(parts.vae, encoders, tokenizer, buckets, tmp_path, CPU)
    start = {k: v.clone() for k, v in parts.unet.state_dict().items()}
    runs = []
    for stops in ((None,), (1, None)):
        folder = tmp_path / f"run-{len(stops)}"
        losses = []
        for stop in stops:
            unet = build_components(len(tokenizer)).unet
            unet.load_state_dict(start)
            shared = (dataset, Length(steps=3), folder, CONFIG, CPU)
            losses += train_teacher(unet, *shared, stop_after=stop)
        runs.append((losses, unet.state_dict()["conv_out.weight"]))
    assert runs[0][0] == runs[1][0]
    assert torch.equal(runs[0][1], runs[1][1])


def test_every_caption_of_the_pool_has_labels(buckets: list[Bucket]):
    rows = [label_caption(c) for bucket in buckets for row in bucket.captions for c in row]
    assert {len(row) for row in rows} == {len(ATTRIBUTES)}
