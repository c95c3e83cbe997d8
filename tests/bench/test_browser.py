"""What benchmarks in a browser make of a page's notes; a real browser: test_at_servers.py."""

from __future__ import annotations

import sys

import pytest

from lightning_demo.bench import chromium, typed_page
from lightning_demo.bench.typists import Key
from lightning_demo.errors import InvalidSetting

KEYS = [Key(0.0, "a", False), Key(0.1, "a ", False), Key(0.2, "a c", True)]


def test_a_pages_notes_become_times():
    def painted(text: str, at: float, *, final: bool = False) -> dict[str, object]:
        return {"text": text, "step": 1 + final, "final": final, "received": at - 10, "at": at}

    noted = {
        "keys": [{"text": key.text, "at": 1000 * key.at} for key in KEYS],
        "sent": [{"text": key.text, "at": 1000 * key.at + 2} for key in KEYS],
        "painted": [
            painted("a", 60),
            painted("a tree", 90, final=True),
            painted("a c", 250),
            painted("a c", 320, final=True),
        ],
        "problems": [],
    }
    turn = typed_page.read(noted, KEYS, ended=1.0)
    assert turn.wrong == 1
    assert turn.trace.problems == ["a picture of 'a tree', which nobody typed"]
    assert turn.key_to_send == pytest.approx([0.002] * 3)
    assert turn.bytes_to_pixel == pytest.approx([0.01] * 3)
    assert turn.own_share == pytest.approx(0.012 / 0.12)
    shown = [(picture.key, picture.final) for picture in turn.trace.pictures]
    assert shown == [(0, False), (2, False), (2, True)]
    assert [picture.at for picture in turn.received.pictures] == pytest.approx([0.05, 0.24, 0.31])
    assert turn.received.presses == turn.trace.presses
    assert [press.waits for press in turn.trace.presses] == [False, False, True]


def test_without_a_browser_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(chromium, "find", lambda: None)
    with pytest.raises(InvalidSetting, match="apt install chromium"), chromium.chromium():
        pass


def test_without_playwright_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "playwright.sync_api", None)
    with pytest.raises(InvalidSetting, match=r"requirements-bench\.txt"), chromium.chromium():
        pass
