"""The draft policy: which draft for which budget, whatever the engine forecasts."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import hypothesis.strategies as st
import pytest
from hypothesis import given

from lightning_demo.engine.base import Forecast
from lightning_demo.engine.draft_policy import Forecaster, choose_draft, drafts, may_draft
from lightning_demo.model.weights.checkpoints import MINIATURE, SDXL_LIGHTNING
from lightning_demo.schemas import GenerationRequest, Limits

REQUEST = GenerationRequest("a cat", "", 8, 0.0, 7, 1024, 1024)


def ask(steps: int, width: int = 1024, height: int = 1024) -> GenerationRequest:
    return replace(REQUEST, num_inference_steps=steps, width=width, height=height)


def model(step: float, full: float, wait: float = 0.0) -> Forecaster:
    """An engine of so many seconds a step at 1024 px and a full decode; a preview's takes none."""

    def forecast(request: GenerationRequest, draft: bool, keeps: bool = True) -> Forecast:
        share = request.width * request.height / 1024**2
        work = share * (request.num_inference_steps * step + (0.0 if draft else full))
        return Forecast(ahead=0, wait=wait, work=work)

    return forecast


def test_drafts_have_two_steps_and_are_smaller():
    found = drafts(ask(8), SDXL_LIGHTNING.limits)
    assert found == [ask(2, 768, 768), ask(2, 512, 512)]
    for steps in (1, 2, 4):
        assert drafts(ask(steps), SDXL_LIGHTNING.limits) == []


def test_a_model_without_smaller_sizes_or_fewer_steps_drafts_nothing():
    assert may_draft(SDXL_LIGHTNING.limits) and not may_draft(MINIATURE.limits)
    assert not may_draft(replace(SDXL_LIGHTNING.limits, num_inference_steps=(8,)))
    assert not may_draft(replace(SDXL_LIGHTNING.limits, num_inference_steps=(1, 2, 4)))
    assert drafts(ask(8, 256, 256), MINIATURE.limits) == []


def test_a_draft_has_nearly_the_shape_of_the_picture():
    assert drafts(ask(8, 1344, 768), SDXL_LIGHTNING.limits) == [], "none that is smaller"
    assert drafts(ask(8, 1000, 1000), SDXL_LIGHTNING.limits)[-1] == ask(2, 512, 512)


def test_each_budget_has_its_draft():
    forecast = model(step=0.1, full=0.3)  # 8 steps: 1.1 s in full
    expected = [
        (1.2, None),  # it fits
        (1.0, ask(2, 768, 768)),
        (0.12, ask(2, 768, 768)),
        (0.11, ask(2, 512, 512)),
        (0.01, ask(2, 512, 512)),  # none fits: the quickest
        (0.0, None),  # off
    ]
    for budget, draft in expected:
        assert choose_draft(ask(8), SDXL_LIGHTNING.limits, budget, forecast) == draft, budget


ALONE, FEW, CROWD = 0.0, 0.5, 10.0  # the wait, in times of a picture
PICTURES = (0.05, 0.2, 0.4, 1.0, 3.0)  # seconds of one at 8 steps
BUDGET = 0.2


def test_the_table_of_the_docs():
    """Which draft whom: nobody at up to 4 steps, nobody where the model has no smaller size."""
    for seconds in PICTURES:
        forecast = partial(model, step=seconds / 10, full=seconds / 5)
        for wait in (ALONE, FEW, CROWD):
            waiting = forecast(wait=wait * seconds)
            for steps in (1, 2, 4):
                for limits in (SDXL_LIGHTNING.limits, MINIATURE.limits):
                    size = limits.sizes[0]
                    assert choose_draft(ask(steps, *size), limits, BUDGET, waiting) is None
            assert choose_draft(ask(8, 256, 256), MINIATURE.limits, BUDGET, waiting) is None
    found = {
        (seconds, wait): choose_draft(
            ask(8), SDXL_LIGHTNING.limits, BUDGET, model(seconds / 10, seconds / 5, wait * seconds)
        )
        for seconds in PICTURES
        for wait in (ALONE, FEW, CROWD)
    }
    assert {key: draft.width for key, draft in found.items() if draft is not None} == {
        **{(0.4, ALONE): 768, (1.0, ALONE): 768, (3.0, ALONE): 512},
        **{(0.2, FEW): 512, (0.4, FEW): 512, (1.0, FEW): 512, (3.0, FEW): 512},
    }


@pytest.mark.parametrize("width", [1024, 768, 512])
def test_a_draft_delays_the_picture_by_little(width: int):
    forecast = model(0.1, 0.2)
    asked = ask(8, width, width)
    if draft := choose_draft(asked, SDXL_LIGHTNING.limits, 0.1, forecast):
        both = forecast(draft, True).work + forecast(asked, False).work
        assert both <= 1.15 * forecast(asked, False).work


def test_no_draft_is_later_than_a_preview_that_is_as_good():
    limits = SDXL_LIGHTNING.limits
    cheap = model(0.1, full=2.0)  # 8 steps: 2.8 s, of which 0.42 s may be spent
    assert choose_draft(ask(8), limits, 0.01, cheap) == ask(2, 512, 512)
    later = model(0.1, full=2.0, wait=0.7)  # the preview comes after 1.1 s, a draft after 0.75
    assert choose_draft(ask(8), limits, 0.01, later) is None


def test_behind_a_long_line_nothing_is_drafted():
    """The asked picture would be a new request at its end, even if the draft has a place before."""
    short = model(0.1, 0.2)

    def behind(line: float) -> Forecaster:
        return lambda request, draft, keeps: replace(
            short(request, draft), wait=0.0 if keeps else line
        )

    limits = SDXL_LIGHTNING.limits
    assert choose_draft(ask(8), limits, 0.2, behind(3.9)) == ask(2, 768, 768)
    assert choose_draft(ask(8), limits, 0.2, behind(4.1)) is None


def test_what_is_not_known_is_not_drafted():
    assert (
        choose_draft(ask(8), SDXL_LIGHTNING.limits, 0.1, lambda request, draft, keeps: None) is None
    )


LIMITS: Limits = SDXL_LIGHTNING.limits
SECONDS = st.floats(0.0, 2.0)
BUDGETS = st.floats(0.001, 4.0)


@st.composite
def forecasts(draw: st.DrawFn) -> Forecaster:
    """Any times at all for any request, the same each time."""
    known: dict[tuple[GenerationRequest, bool], Forecast | None] = {}
    for request in [ask(8), *drafts(ask(8), LIMITS)]:
        for draft in (False, True):
            known[request, draft] = draw(
                st.none() | st.builds(Forecast, st.integers(0, 9), SECONDS, SECONDS)
            )
    return lambda request, draft, keeps: known[request, draft]


def seconds(forecast: Forecast | None) -> float:
    assert forecast is not None
    return forecast.wait + forecast.work


@given(forecasts(), BUDGETS)
def test_never_a_worse_draft_where_a_better_one_fits(forecast: Forecaster, budget: float):
    chosen = choose_draft(ask(8), LIMITS, budget, forecast)
    asked, preview = forecast(ask(8), False, True), forecast(ask(8), True, True)
    if asked is None or preview is None or seconds(asked) <= budget or asked.wait > 4 * asked.work:
        assert chosen is None
        return
    as_good = preview.wait + preview.work / 2
    worth = {
        each: seconds(found)
        for each in drafts(ask(8), LIMITS)
        if (found := forecast(each, True, True)) is not None
        and found.work <= 0.15 * asked.work
        and 1.5 * seconds(found) <= as_good
    }
    fitting = [each for each, taken in worth.items() if taken <= budget]
    if fitting:
        assert chosen == fitting[0]
    elif worth:
        assert chosen is not None and worth[chosen] == min(worth.values())
    else:
        assert chosen is None


@given(forecasts(), BUDGETS, BUDGETS)
def test_a_larger_budget_never_gives_a_worse_picture(
    forecast: Forecaster, first: float, second: float
):
    low, high = sorted((first, second))
    worse, better = (choose_draft(ask(8), LIMITS, budget, forecast) for budget in (low, high))
    if worse is None:
        assert better is None
    elif better is not None:
        order = drafts(ask(8), LIMITS)
        assert order.index(better) <= order.index(worse)


@given(forecasts(), BUDGETS)
def test_a_draft_is_of_the_same_prompt_and_seed(forecast: Forecaster, budget: float):
    chosen = choose_draft(ask(8), LIMITS, budget, forecast)
    if chosen is not None:
        size = {"width": 1024, "height": 1024}
        assert replace(chosen, num_inference_steps=8, **size) == ask(8)
