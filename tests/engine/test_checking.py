"""Wherever a picture is painted, the safety checker that is asked for looks at it."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from transformers import CLIPConfig

from lightning_demo.engine import build
from lightning_demo.engine.base import Engine, Stream, Work
from lightning_demo.engine.build import about, build_engine, build_replica
from lightning_demo.engine.checked import BLURRED
from lightning_demo.engine.metrics import Metrics
from lightning_demo.engine.remote import RemoteEngine
from lightning_demo.model.sampling.sampler import Sampler
from lightning_demo.model.weights.checkpoints import MINIATURE
from lightning_demo.settings import Settings
from lightning_demo.web.engine_server import EngineServer

from ..web.fakes import STATUS, FakeEngine
from .observed import collect
from .served import ready

TOWER = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
}
LARGE = replace(MINIATURE, small=False)  # as far as the checker sees: it looks at no small world
KEY = "sk-of-the-page"


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tiny checker, as diffusers writes them, that lets no picture pass."""
    config = CLIPConfig(
        text_config={**TOWER, "vocab_size": 8, "max_position_embeddings": 8},
        vision_config={**TOWER, "image_size": 32, "patch_size": 8},
        projection_dim=8,
    )
    model = StableDiffusionSafetyChecker(config)
    model.concept_embeds_weights.data.fill_(-2.0)  # everything is nearer
    folder = tmp_path_factory.mktemp("checker")
    model.save_pretrained(folder)
    return str(folder)


@pytest.fixture
def loaded(sampler: Sampler, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a process would load; the checker comes from its files."""
    monkeypatch.setattr(build, "loader", lambda *args, **options: lambda report: sampler)


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "choose_model", lambda settings: LARGE)


def test_a_replica_checks_and_says_so_to_the_page(
    run, ask, strict: str, loaded, large, monkeypatch: pytest.MonkeyPatch
):
    """What Ray starts, and `--engine process`, by the settings that they are told."""
    for place in ("link", "remote"):  # in one process, here
        monkeypatch.setattr(f"lightning_demo.engine.{place}.instance", lambda: "the page")
    page = Settings(safety_checker=strict, model="miniature", device="cpu", compile=False)
    told = Settings.from_environment(page.for_painting())
    server = EngineServer(told, KEY)
    with closing(server):
        url = server.listen("127.0.0.1")

        async def check() -> None:
            engine = RemoteEngine(url, about(LARGE), KEY, here=True)
            await ready(engine)
            *previews, final = await collect(engine, ask("a boat"))
            assert {frame.safety for frame in previews} <= {"unchecked"}  # there may be none
            assert (final.safety, final.may_be_shown) == ("blurred", False)
            assert BLURRED in final.notes
            beside = np.abs(np.diff(final.pixels.astype(int), axis=1))
            assert beside.max() < 30, "nothing can be made out"
            await engine.aclose()

        run(check())
    assert b"lightning_blurred_total 1.0" in server._metrics.exposition()


def test_the_miniatures_small_world_has_nothing_to_check(
    run, ask, strict: str, loaded, caplog: pytest.LogCaptureFixture
):
    async def check() -> None:
        settings = Settings(safety_checker=strict, model="miniature", device="cpu")
        engine, local = build_replica(settings, Metrics())
        assert engine is local
        await ready(engine)
        assert (await collect(engine, ask("a boat")))[-1].safety == "off"
        await engine.aclose()

    run(check())
    assert "needless with the miniature" in caplog.text


class Elsewhere(FakeEngine):
    """An engine whose pictures come from other processes."""

    says: Any = "off"

    async def generate(self, work: Work) -> Stream:
        async for value in super().generate(work):
            final = getattr(value, "final", False)
            yield replace(value, safety=self.says) if final else value  # type: ignore[type-var]


@pytest.mark.parametrize(("says", "becomes"), [("off", "blurred"), ("fine", "fine")])
def test_a_picture_that_nobody_has_looked_at_is_looked_at_here(
    run, ask, strict: str, large, says: str, becomes: str
):
    """As one of a `--fallback` without a checker, before a page whose engine is elsewhere."""
    there = Elsewhere(status=replace(STATUS, limits=LARGE.limits))
    there.says = says
    made: list[Engine] = []

    async def check() -> None:
        engine = build_engine(
            Settings(safety_checker=strict, model="miniature", device="cpu"),
            elsewhere=lambda known, metrics: made.append(there) or there,  # type: ignore[func-returns-value]
        )
        frame = (await collect(engine, ask("a boat", seed=3)))[-1]
        assert (frame.safety, frame.final) == (becomes, True)
        await engine.aclose()

    run(check())
    assert made == [there]
