"""What each picture costs the page while everything is open, by the browser's own counts."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from playwright.sync_api import CDPSession, ViewportSize

from lightning_demo.bench.browser import OPEN_ALL

from ..web.conftest import Running
from .conftest import DESKTOP, PHONE, Visit

Open = Callable[..., Visit]
# Keeps the newest frame, as the server sent it.
RECORD = """() => {
  const { painter } = lightning;
  const { offer } = painter;
  painter.offer = (header, bytes) => {
    globalThis.frame = [header, bytes];
    offer.call(painter, header, bytes);
  };
}"""
# What is put off does not come: no timer, and nothing that waits until the page has nothing to do.
HOLD = """() => {
  for (let id = setTimeout(() => {}); id > 0; id -= 1) clearTimeout(id);
  Object.assign(globalThis, { setTimeout: () => 0, requestIdleCallback: () => 0 });
}"""
# Shows it once more, as a step or the finished picture of another request, until it is drawn.
SHOW = """async (final) => {
  const [header, bytes] = frame;
  const sequence = (lightning.sequence += 1);
  lightning.sent.set(sequence, { request: { ...lightning.request }, at: performance.now() });
  lightning.receive({ ...header, sequence, step: final ? header.step : 1, final }, bytes);
  const next = () => new Promise((go) => requestAnimationFrame(go));
  while (lightning.painted.at(-1).sequence !== sequence) await next();
  for (let count = 0; count < 3; count += 1) await next();
}"""
# Before all scripts of a page.
COUNT_FRAMES = """
globalThis.asked = 0;
const { requestAnimationFrame: next } = globalThis;
globalThis.requestAnimationFrame = (work) => (globalThis.asked += 1, next(work));
globalThis.nextFrame = () => new Promise((go) => next(go));
"""
# Whether three frames in a row pass without anybody asking for one.
RESTS = """async () => {
  for (let tries = 0; tries < 500; tries += 1) {
    globalThis.asked = 0;
    for (let count = 0; count < 3; count += 1) await nextFrame();
    if (!globalThis.asked) return true;
  }
  return false;
}"""


SHOWN = 4  # times: a picture or a message that has only just come is laid out in one of them


def layouts(client: CDPSession) -> int:
    metrics = client.send("Performance.getMetrics")["metrics"]
    return next(int(each["value"]) for each in metrics if each["name"] == "LayoutCount")


def layouts_of_frame(tab: Visit, client: CDPSession, *, final: bool) -> int:
    """How often a frame has the page laid out."""
    counts = [layouts(client)]
    for _ in range(SHOWN):
        tab.page.evaluate(SHOW, final)
        counts.append(layouts(client))
    return min(after - before for before, after in pairwise(counts))


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_no_frame_lays_anything_out_with_everything_open(
    own: Callable[..., Running], visit: Open, viewport: ViewportSize
) -> None:
    """Times, the timeline and all figures are told between the frames."""
    tab = visit(own(), viewport=viewport)
    tab.page.evaluate(RECORD)
    tab.page.evaluate(OPEN_ALL)
    tab.type("a yellow balloon")
    tab.wait_answered()
    tab.wait("() => lightning.timeline.entries.some(e => e.request.prompt === 'a yellow balloon')")
    tab.wait("() => document.querySelectorAll('#waterfall li').length === 6")
    tab.page.evaluate(HOLD)
    client = tab.page.context.new_cdp_session(tab.page)
    client.send("Performance.enable")
    assert layouts_of_frame(tab, client, final=False) == 0
    assert layouts_of_frame(tab, client, final=True) == 0
    client.detach()


def test_a_page_at_rest_asks_for_no_frame(own: Callable[..., Running], visit: Open) -> None:
    """Gradio's loading sign would, for ever (`loading_sign.js`)."""
    tab = visit(own(), init=COUNT_FRAMES)
    tab.wait_answered()
    assert tab.page.evaluate(RESTS)
