"""The draft policy: which draft for which budget, whatever the engine forecasts."""

from __future__ import annotations

from dataclasses import replace

import hypothesis.strategies as st
from hypothesis import given

from lightning_demo.engine.base import Forecast
from lightning_demo.engine.policy import Forecaster, choose_draft, drafts
from lightning_demo.model.weights.checkpoints import MINIATURE, SDXL_LIGHTNING
from lightning_demo.schemas import GenerationRequest, Limits

REQUEST = GenerationRequest("a cat", "", 8, 0.0, 7, 1024, 1024)


def ask(steps: int, width: int = 1024, height: int = 1024) -> GenerationRequest:
    return replace(REQUEST, num_inference_steps=steps, width=width, height=height)


def model(step: float, full: float, wait: float = 0.0) -> Forecaster:
    """An engine of so many seconds a step at 1024 px and a full decode; a preview's takes none."""

    def forecast(request: GenerationRequest, draft: bool) -> Forecast:
        share = request.width * request.height / 1024**2
        work = share * (request.num_inference_steps * step + (0.0 if draft else full))
        return Forecast(ahead=0, wait=wait, work=work)

    return forecast


def test_drafts_go_from_the_asked_quality_down():
    found = drafts(ask(8), SDXL_LIGHTNING.limits)
    assert found == [ask(4), ask(2), ask(2, 768, 768), ask(2, 512, 512)]
    assert drafts(ask(2), SDXL_LIGHTNING.limits) == [ask(2), ask(2, 768, 768), ask(2, 512, 512)]


def test_one_step_is_drafted_only_for_one_step():
    assert all(each.num_inference_steps > 1 for each in drafts(ask(4), SDXL_LIGHTNING.limits))
    assert drafts(ask(1, 128, 128), MINIATURE.limits) == [ask(1, 128, 128)]


def test_a_draft_has_nearly_the_shape_of_the_picture():
    wide = drafts(ask(4, 1344, 768), SDXL_LIGHTNING.limits)
    assert {(each.width, each.height) for each in wide} == {(1344, 768)}
    assert drafts(ask(4, 1000, 1000), SDXL_LIGHTNING.limits)[-1] == ask(2, 512, 512)


def test_each_budget_has_its_draft():
    forecast = model(step=0.1, full=0.3)  # 8 steps: 1.1 s in full
    expected = [
        (1.2, None),  # it fits
        (1.0, ask(4)),
        (0.4, ask(4)),
        (0.3, ask(2)),
        (0.15, ask(2, 768, 768)),
        (0.06, ask(2, 512, 512)),
        (0.01, ask(2, 512, 512)),  # none fits: the cheapest
        (0.0, None),  # off
    ]
    for budget, draft in expected:
        assert choose_draft(ask(8), SDXL_LIGHTNING.limits, budget, forecast) == draft, budget


def test_waiting_counts():
    limits = SDXL_LIGHTNING.limits
    assert choose_draft(ask(4), limits, 0.5, model(0.05, 0.19)) is None
    assert choose_draft(ask(4), limits, 0.5, model(0.05, 0.19, wait=0.3)) == ask(2)


def test_the_quick_decoder_alone_is_a_draft_where_there_are_no_fewer_steps():
    assert choose_draft(ask(2), SDXL_LIGHTNING.limits, 0.2, model(0.05, 0.2)) == ask(2)


def test_no_draft_is_later_than_the_picture():
    limits = MINIATURE.limits
    assert choose_draft(ask(2, 128, 128), limits, 0.001, model(0.05, full=0.0)) is None


def test_what_is_not_known_is_not_drafted():
    assert choose_draft(ask(8), SDXL_LIGHTNING.limits, 0.1, lambda request, draft: None) is None


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
    return lambda request, draft: known[request, draft]


def seconds(forecast: Forecast | None) -> float:
    assert forecast is not None
    return forecast.wait + forecast.work


@given(forecasts(), BUDGETS)
def test_never_a_worse_draft_where_a_better_one_fits(forecast: Forecaster, budget: float):
    chosen = choose_draft(ask(8), LIMITS, budget, forecast)
    asked = forecast(ask(8), False)
    if asked is None or seconds(asked) <= budget:
        assert chosen is None
        return
    known = {
        each: found.wait + found.work
        for each in drafts(ask(8), LIMITS)
        if (found := forecast(each, True)) is not None
    }
    fitting = [each for each, taken in known.items() if taken <= budget]
    sooner = [taken for taken in known.values() if taken < seconds(asked)]
    if fitting:
        assert chosen == fitting[0]
    elif sooner:
        assert chosen is not None and known[chosen] == min(sooner)
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
