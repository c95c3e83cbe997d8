"""Somebody types a few keys in a real browser, at ours and at a peer; no figure decides a test."""

from __future__ import annotations

import json
import os
import sys

import pytest

from lightning_demo.bench import browser, chromium
from lightning_demo.bench.typists import Key
from lightning_demo.cli import main
from lightning_demo.errors import InvalidSetting

KEYS = [Key(0.0, "a", False), Key(0.1, "a ", False), Key(0.2, "a c", True)]


@pytest.mark.browser
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("forked_servers")
def test_the_browser_shows_what_was_typed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    if chromium.find() is None and os.environ.get("LIGHTNING_REQUIRE_BROWSER") != "1":
        pytest.skip("no browser")
    monkeypatch.setattr(browser, "PATIENCE", 200.0)  # a busy machine loses nothing
    few = ["--peers", "always_last", "--num-inference-steps", "2", "--threads", "1"]
    assert main(["bench", "browser", "--small", *few]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert list(result["devices"]) == ["desktop", "phone"]
    for device in result["devices"].values():
        assert list(device["pages"]) == ["lightning_demo", "always_last"]
        for page in device["pages"].values():
            assert "problems" not in page
            assert (page["wrong_pictures"], page["lost_finals"]) == (0, 0)
            assert page["pictures"] > 0
            assert 0 < page["own_share"] < 1
            assert page["levels_from_ours"] < 12, "the same picture is on both screens"
        assert device["speedup_last_key_to_final_p50_vs_best_peer"] > 0


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
    turn = browser.read(noted, KEYS, ended=1.0)
    assert turn.wrong == 1
    assert turn.trace.problems == ["a picture of 'a tree', which nobody typed"]
    assert turn.key_to_send == pytest.approx([0.002] * 3)
    assert turn.bytes_to_pixel == pytest.approx([0.01] * 3)
    assert turn.own_share == pytest.approx(0.012 / 0.12)
    shown = [(picture.key, picture.final) for picture in turn.trace.pictures]
    assert shown == [(0, False), (2, False), (2, True)]
    assert [press.waits for press in turn.trace.presses] == [False, False, True]


def test_without_a_browser_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(chromium, "find", lambda: None)
    with pytest.raises(InvalidSetting, match="apt install chromium"), chromium.chromium():
        pass


def test_without_playwright_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "playwright.sync_api", None)
    with pytest.raises(InvalidSetting, match=r"requirements-bench\.txt"), chromium.chromium():
        pass
