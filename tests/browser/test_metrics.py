"""The metrics panel, and where the time of a picture went."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lightning_demo.engine.metrics import EngineRow, Metrics
from lightning_demo.web.prices import prices

from ..web.conftest import Running, wait_for
from .conftest import DESKTOP, PHONE, House, Modules, Visit
from .test_looks import BOXES

Open = Callable[..., Visit]
TIMINGS = {
    "queue": 10.0,
    "embed": 4.0,
    "steps": 60.0,
    "decode": 20.0,
    "encode": 2.0,
    "total": 100.0,
}
METER = "[...document.querySelectorAll('#meter [data-of=%s] td')].map(each => each.textContent)"
PEOPLE = "document.querySelector('#metrics-panel [data-name=sessions]')"
ON_TOP = """() => [...document.querySelectorAll("#waterfall span, #waterfall b")].every(each => {
  const { x, y, width, height } = each.getBoundingClientRect();
  return each.contains(document.elementFromPoint(x + width / 2, y + height / 2)); })"""


def test_the_metrics_panel_is_told_how_it_goes_while_it_is_open(
    running: Running, visit: Open
) -> None:
    tab = visit(running)
    tab.wait_answered()
    people = tab.page.locator("#metrics-panel [data-name=sessions]")
    assert not people.is_visible()
    tab.page.get_by_text("Engine room").focus()
    tab.page.keyboard.press("Enter")
    tab.wait(f"() => Number({PEOPLE}.textContent) > 0")
    assert people.is_visible()
    assert tab.page.locator("#metrics-panel [data-name=pictures_per_second]").inner_text() == "0.0"
    assert tab.page.locator("#metrics-panel [data-name=queue_wait_ms]").inner_text() == "–"
    assert any(each.watching for each in running.pages)
    tab.page.keyboard.press("Enter")
    wait_for(lambda: not any(each.watching for each in running.pages))


def test_the_metrics_panel_goes_on_after_a_lost_connection(again: Visit) -> None:
    tab = again
    tab.page.get_by_text("Engine room").click()
    shown = f"() => Number({PEOPLE}.textContent) > 0"
    tab.wait(shown)
    tab.page.evaluate(f"() => {{ {PEOPLE}.textContent = ''; lightning.transport.socket.close(); }}")
    tab.wait(shown)


def test_several_engines_have_a_table(shared_house: House, again: Visit) -> None:
    tab = again
    metrics = shared_house.server._service.metrics
    about: EngineRow = {"name": "k3f", "state": "ready", "waiting": 2, "painting": 3, "given": 4567}
    metrics.list_engines(lambda: [about, {**about, "name": "<b>", "state": "resting"}])
    tab.resize(PHONE)
    tab.page.get_by_text("Engine room").click()
    table = tab.page.locator("#engines")
    table.wait_for()
    cells = [row.split("\t") for row in table.locator("tbody").inner_text().splitlines()]
    assert cells[0] == ["k3f", "ready", "2", "3", "4,567"]
    assert cells[1] == ["<b>", "resting", "2", "3", "4,567"]
    box = table.bounding_box()
    assert box and box["x"] >= 0 and box["x"] + box["width"] <= PHONE["width"]
    metrics.list_engines(list)
    table.wait_for(state="hidden")


def test_the_meter_moves_with_finished_pictures(
    own: Callable[..., Running], visit: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = own()
    summary = {**Metrics().summary(), "pictures": 5_128_000}
    monkeypatch.setattr(running.server._service.metrics, "summary", lambda: summary)
    tab = visit(running, viewport=PHONE)
    tab.wait_answered()

    def wait_told(count: int) -> None:
        tab.wait(f"() => Number(({METER % 'tab'})[0]) === {count}")
        costs = [f"${each['usd_per_picture'] * count:.3f}" for each in prices()]
        assert tab.page.evaluate(METER % "tab")[1:] == costs

    before = sum(each["final"] for each in tab.painted())
    wait_told(before)
    for number in range(3):
        tab.prompt.fill(f"a cat and {number}")
        tab.wait_painted(f"a cat and {number}")
    wait_told(before + 3)
    tab.page.evaluate(
        """[{}, { final: true, cached: true }, { final: true, draft: { budget: 100 } }]
        .forEach(each => lightning.metrics.count(each))"""
    )
    counted = tab.page.evaluate("lightning.metrics.meter.pictures")
    assert counted == before + 3, "of finished pictures only, and each once"
    tab.page.get_by_text("Engine room").click()
    tab.wait(f"() => ({METER % 'server'})[0] === '5,128,000'")
    assert tab.page.evaluate(METER % "server")[1] == "$15,384"
    assert tab.page.get_by_text("What pictures cost elsewhere (November 2026)").is_visible()
    for width in (320, 390):
        tab.resize({"width": width, "height": 844})
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= width
        table = tab.page.locator("#meter").bounding_box()
        assert table and table["x"] >= 0 and table["x"] + table["width"] <= width


def test_the_stages_follow_one_another(modules: Modules) -> None:
    def stages(timings: dict[str, float], whole: float) -> list[list[object]]:
        found = modules("waterfall", "stages", timings, whole)
        return [[each[name] for name in ("label", "start", "length")] for each in found]

    assert stages(TIMINGS, 130) == [
        ["Line", 0, 10],
        ["Prompt", 10, 4],
        ["Steps", 14, 60],
        ["Decode", 74, 20],
        ["Encode", 98, 2],
        ["Network and page", 100, 30],
    ]
    remembered = stages({"total": 0}, 9)
    assert [length for _, _, length in remembered] == [0, 0, 0, 0, 0, 9]
    slow_clock = stages(TIMINGS, 90)
    assert slow_clock[-1] == ["Network and page", 100, 0]


def test_the_waterfall_opens_beside_what_stays_in_place(
    shared_house: House, again: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    tab, engine = again, shared_house.engine
    monkeypatch.setattr(engine, "timings", TIMINGS)
    tab.type("one")
    tab.wait_painted("one")
    page, box, button = tab.page, tab.page.locator("#waterfall"), tab.page.locator("#times")
    page.evaluate("document.fonts.ready.then(() => null)")
    for viewport in (DESKTOP, PHONE):
        page.set_viewport_size(viewport)
        before = page.evaluate(BOXES)
        button.focus()
        page.keyboard.press("Enter")
        assert button.get_attribute("aria-expanded") == "true"
        assert page.evaluate(BOXES) == before
        assert "4 steps" in box.inner_text() and "60 ms" in box.inner_text()
        place = box.bounding_box()
        assert place and place["x"] >= 0 and place["x"] + place["width"] <= viewport["width"]
        assert place["y"] >= 0 and place["y"] + place["height"] <= viewport["height"]
        assert page.evaluate(ON_TOP)
        page.get_by_role("button", name="Close").focus()
        page.keyboard.press("Escape")
        assert not box.is_visible()
        assert button.get_attribute("aria-expanded") == "false"
        assert page.evaluate("document.activeElement.id") == "times"
    button.click()
    monkeypatch.setattr(engine, "timings", {**TIMINGS, "steps": 61.0})
    tab.type("another one")
    tab.wait_painted("another one")
    # It shows the newest picture.
    tab.wait("() => document.getElementById('waterfall').textContent.includes('61 ms')")
