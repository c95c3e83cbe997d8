"""Painting a plan."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from lightning_demo.engine.cached import CachedEngine, FrameCache
from lightning_demo.errors import DeviceLost, EngineUnavailable, GenerationFailed, RateLimited
from lightning_demo.schemas import GenerationRequest
from lightning_demo.studio.manifest import Outcome
from lightning_demo.studio.plan import Picture
from lightning_demo.studio.run import Paint, Painted, by_engine, paint_plan

from ..web.fakes import LIMITS, FakeEngine


def pictures(*steps: int) -> list[Picture]:
    fields = (
        {"prompt": f"p{i}", "seed": i, "num_inference_steps": n} for i, n in enumerate(steps, 1)
    )
    requests = (GenerationRequest.parse(each, LIMITS) for each in fields)
    return [Picture(i, i, request.prompt, request) for i, request in enumerate(requests, 1)]


def run(
    plan: list[Picture], paint: Paint, folder: Path, at_once: int = 2, waits: tuple[float, ...] = ()
) -> list[Outcome]:
    told: list[Outcome] = []

    def name(picture: Picture) -> str:
        return f"{picture.number}.png"

    asyncio.run(paint_plan(plan, paint, folder, name, at_once, told.append, waits))
    return told


async def painted(picture: Picture) -> Painted:
    return Painted(picture.request.prompt.encode(), "model", 0.5, ("note",))


def test_all_are_painted_those_of_one_kind_together(tmp_path: Path):
    order = []
    at_once = most = 0

    async def paint(picture: Picture) -> Painted:
        nonlocal at_once, most
        order.append(picture.request.num_inference_steps)
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0)
        at_once -= 1
        return await painted(picture)

    told = run(pictures(8, 2, 8, 4, 2), paint, tmp_path, at_once=3)
    assert order == [2, 2, 4, 8, 8]
    assert most == 3
    assert {outcome.picture.number for outcome in told} == {1, 2, 3, 4, 5}
    for outcome in told:
        assert (tmp_path / outcome.file).read_bytes() == outcome.picture.request.prompt.encode()
        assert (outcome.seconds, outcome.model, outcome.notes) == (0.5, "model", ("note",))


def test_an_engine_paints_the_same_again_from_memory(tmp_path: Path):
    engine = CachedEngine(FakeEngine(), FrameCache(2**24))
    paint = by_engine(engine, "png")
    for _ in range(2):
        told = run(pictures(4, 4), paint, tmp_path)
        assert not any(outcome.error for outcome in told)
    assert [outcome.seconds for outcome in told] == [0, 0]


def test_one_that_fails_is_told_and_the_others_are_painted(tmp_path: Path):
    async def paint(picture: Picture) -> Painted:
        if picture.number == 2:
            raise GenerationFailed("Not this one.")
        return await painted(picture)

    told = {outcome.picture.number: outcome for outcome in run(pictures(4, 4, 4), paint, tmp_path)}
    assert (told[2].error, told[2].file) == ("Not this one.", "")
    assert [told[number].file for number in (1, 3)] == ["1.png", "3.png"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["1.png", "3.png"]


@pytest.mark.parametrize("error", [EngineUnavailable("Full."), RateLimited("Slowly.", seconds=0.0)])
def test_whoever_is_busy_is_asked_again(tmp_path: Path, error: Exception):
    tries = 0

    async def paint(picture: Picture) -> Painted:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise error
        return await painted(picture)

    (told,) = run(pictures(4), paint, tmp_path, waits=(0.0, 0.0))
    assert (tries, told.error) == (3, "")


@pytest.mark.parametrize("error", [EngineUnavailable("Gone."), DeviceLost("Gone.")])
def test_when_whoever_paints_is_gone_the_batch_ends(tmp_path: Path, error: Exception):
    asked = []

    async def paint(picture: Picture) -> Painted:
        asked.append(picture.number)
        if picture.number > 1:
            raise error
        return await painted(picture)

    with pytest.raises(type(error), match=r"Gone\."):
        run(pictures(*[4] * 20), paint, tmp_path, at_once=1)
    assert asked == [1, 2]
    assert [file.name for file in tmp_path.iterdir()] == ["1.png"]
