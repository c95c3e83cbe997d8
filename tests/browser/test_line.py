"""What a visitor sees while others are served first, over both transports."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

import pytest

from lightning_demo.engine.base import Forecast

from ..web.conftest import Running
from ..web.fakes import FakeEngine
from .conftest import DESKTOP, PHONE, Visit
from .test_looks import BOXES, SHIFTS

Open = Callable[..., Visit]
PLACE = "words => document.getElementById('place').textContent === words"


@pytest.mark.parametrize("transport", ["socket", "events"])
def test_a_page_waits_for_a_seat_and_is_let_in(
    own: Callable[..., Running], visit: Open, transport: str
) -> None:
    running = own(max_sessions=1, transport=transport)
    with ExitStack() as stack:
        seated, before = (stack.enter_context(running.socket()) for _ in range(2))
        seated.ask(1)
        assert seated.final(1)
        before.ask(1)
        before.until(lambda message: message["type"] == "line")
        tab = visit(running)
        words = "All places are taken: 1 person ahead of you"
        tab.wait(PLACE, words)
        tab.wait("w => document.getElementById('veil-text').textContent === w", words)
        tab.prompt.fill("what was typed last")
        before.connection.close()
        tab.wait(PLACE, "All places are taken: you are next")
        seated.connection.close()
        tab.wait_painted("what was typed last")
        tab.wait(PLACE, "")


def test_the_place_in_line_is_told_and_nothing_moves(
    own: Callable[..., Running], visit: Open
) -> None:
    engine = FakeEngine()
    tab = visit(own(engine, ahead=False))  # a guess is painted beside the line
    tab.wait_answered()
    tab.page.evaluate("document.fonts.ready.then(() => null)")
    for viewport, prompt in ((DESKTOP, "a boat"), (PHONE, "a house")):
        tab.resize(viewport)
        before = tab.page.evaluate(BOXES)
        tab.page.evaluate(SHIFTS)
        engine.line = Forecast(ahead=3, wait=1.7, work=0.5)
        tab.prompt.fill(prompt)
        tab.wait(PLACE, "3 people ahead, about 2 s")
        engine.line = Forecast(ahead=0, wait=0.2, work=0.5)
        tab.wait(PLACE, "You are next, about 1 s")
        assert tab.page.evaluate(BOXES) == before
        engine.line = None
        tab.wait_painted(prompt)
        tab.wait(PLACE, "")
        assert tab.page.evaluate(BOXES) == before
        assert tab.page.evaluate("globalThis.shifted") < 0.001
