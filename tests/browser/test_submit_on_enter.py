"""The page that submits on Enter, as on ZeroGPU: nothing is asked for before, or after a pause."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from lightning_demo.errors import EngineUnavailable

from ..web.conftest import wait_for
from ..web.fakes import STATUS, FakeEngine
from .conftest import House, Tabs, Visit

# The page's pause ends when the test says so: only then can "nothing is sent before" be told from
# a machine that is slow to type.
HELD_PAUSE = """
const [set, clear] = [setTimeout, clearTimeout];
globalThis.pauses = new Map();
globalThis.setTimeout = (act, wait, ...rest) => {
  if (wait !== 1500) return set(act, wait, ...rest);
  const number = -1 - Math.random();
  pauses.set(number, act);
  return number;
};
globalThis.clearTimeout = (number) => pauses.delete(number) || clear(number);
globalThis.endPause = () => { for (const act of pauses.values()) act(); pauses.clear(); };
"""


@pytest.fixture(scope="module")
def running(houses: Callable[..., House]) -> House:
    return houses(FakeEngine(status=replace(STATUS, submit_on_enter=True)))


@pytest.fixture(scope="module")
def opened(running: House, share: Callable[[House], Visit]) -> Visit:
    tab = share(running)
    tab.wait("lightning.submitOnEnter")
    tab.page.evaluate(HELD_PAUSE)
    return tab


@pytest.fixture
def tab(opened: Visit, tabs: Tabs) -> Iterator[Visit]:
    """The same page for all tests; all that it has asked for is painted."""
    with tabs.quiet(opened.page):
        opened.page.bring_to_front()
        yield opened


def test_typing_asks_for_nothing_until_enter(running: House, tab: Visit) -> None:
    assert tab.page.evaluate("lightning.transport.name") == "events"
    words = "Pictures are painted when you press Enter or pause: this Space shares its GPU"
    assert tab.text("tagline") == words
    before, asked = tab.sequence(), len(running.engine.requests)
    tab.type("a red fox")
    tab.page.locator("#steps").get_by_text("8", exact=True).click()
    tab.wait("() => lightning.request.num_inference_steps === 8")
    assert (tab.sequence(), len(running.engine.requests)) == (before, asked)
    tab.prompt.press("Enter")
    assert tab.wait_painted("a red fox")["step"] == 8
    assert (tab.sequence(), len(running.engine.requests)) == (before + 1, asked + 1)
    assert tab.page.evaluate("pauses.size") == 0, "Enter has asked; the pause asks no more"
    tab.prompt.press("Enter")
    assert tab.sequence() == before + 1, "nothing has changed since"


def test_a_pause_asks_once_for_all_that_has_changed(running: House, tab: Visit) -> None:
    before, asked = tab.sequence(), len(running.engine.requests)
    tab.type("a boat")
    tab.page.get_by_label("Seed", exact=True).fill("7")
    tab.wait("() => lightning.request.seed === 7")
    assert tab.sequence() == before
    assert tab.page.evaluate("pauses.size") == 1
    tab.page.evaluate("endPause()")
    assert tab.wait_painted("a boat")["seed"] == 7
    assert tab.sequence() == before + 1
    assert [request.prompt for request in running.engine.requests[asked:]] == ["a boat"]


def test_enter_tries_again_what_was_refused(running: House, tab: Visit) -> None:
    refusal = EngineUnavailable("ZeroGPU quota exceeded: try again in 0:01:00.")
    running.engine.fault = lambda request: refusal
    tab.type("a tower")
    tab.prompt.press("Enter")
    tab.page.get_by_text("ZeroGPU quota exceeded").wait_for()
    running.engine.fault = lambda request: None
    tab.prompt.press("Enter")
    tab.wait_painted("a tower")
    wait_for(lambda: tab.text("note") == "")
