"""Every benchmark that types at real servers, once, in its smallest form; no figure decides a test.

All type at the same two servers, ours and a peer, which are started once.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from lightning_demo.bench import ahead, browser, chromium, live, many, soak, typed_page
from lightning_demo.bench.servers import OURS, Server, serve_all
from lightning_demo.bench.typists import Key, Typist, word_typist
from lightning_demo.cli import main

STEPS, PEER = 2, "always_last"
FEW = ["--num-inference-steps", str(STEPS), "--threads", "1"]


@pytest.fixture(scope="module")
def servers(
    forked_servers: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Server]]:
    """Ours and a peer, started once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIGHTNING_FILES_DIR", str(tmp_path_factory.mktemp("kept")))
        patch.setenv("LIGHTNING_STAGE", "yes")
        patch.setenv("LIGHTNING_AUDIENCE", "yes")
        with serve_all((OURS, PEER), STEPS, 1) as started:
            yield started


@pytest.fixture(autouse=True)
def quick(servers: list[Server], monkeypatch: pytest.MonkeyPatch) -> None:
    """Benchmarks find the servers running, and people type little."""

    @contextmanager
    def running(
        names: Sequence[str], steps: int, threads: int, slower: int = 1
    ) -> Iterator[list[Server]]:
        assert (steps, threads, slower) == (STEPS, 1, 1)
        yield [each for each in servers if each.name in names]

    def short(number: int, visit: int = 0, seconds: float = 0) -> Typist:
        keys = (Key(0.0, "a", False), Key(0.15, "a cat", True))
        return Typist(keys, seed=50 + number + 10 * visit)

    monkeypatch.setattr(many, "typist", short)
    monkeypatch.setattr(live, "steady_typist", short)
    monkeypatch.setattr(live, "BARE_REPEATS", 2)
    for bench in (many, live, browser, ahead):
        monkeypatch.setattr(bench, "serve_all", running)
    for waits in (many, typed_page):
        monkeypatch.setattr(waits, "PATIENCE", 200.0)  # a busy machine loses nothing
    monkeypatch.setattr(browser, "REST", 0.1)
    monkeypatch.setattr(browser, "SMALL_KEYS", 4)
    monkeypatch.setattr(browser, "KEYS_PER_SECOND", 50.0)  # of what does not count


@pytest.fixture
def needs_browser() -> None:
    if chromium.find() is None and os.environ.get("LIGHTNING_REQUIRE_BROWSER") != "1":
        pytest.skip("no browser")


def last_line(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_two_type_at_ours_and_at_a_peer(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    files = ["--out", str(tmp_path / "many.json"), "--plot", str(tmp_path / "many.png")]
    assert main(["bench", "many", "--users", "1", "2", "--peers", PEER, *FEW, *files]) == 0
    result = last_line(capsys)
    assert list(result["peers"]) == [PEER]
    assert [run["users"] for run in result["runs"]] == [1, 2]
    for side in (result, result["peers"][PEER]):
        assert (side["users"], side["waits"], side["lost_finals"]) == (2, 2, 0)
        assert "problems" not in side
        times = side["last_key_to_final_ms"]
        assert times["p50"] <= times["p95"] <= times["max"]
        assert 0 <= side["wasted_steps"] < side["steps"]
    assert result["peers"][PEER]["steps"] % STEPS == 0
    assert "speedup_p95_vs_best_peer" in result
    assert json.loads((tmp_path / "many.json").read_text()) == result
    with Image.open(tmp_path / "many.png") as image:
        assert image.width > 500


def test_bench_live_types_at_both_servers(capsys: pytest.CaptureFixture[str]):
    assert main(["bench", "live", "--seeds", "1", *FEW]) == 0
    result = last_line(capsys)
    ours = {
        *("bare_generation_ms", "first_paint_ms", "last_key_to_final_ms"),
        *("pictures_while_typing", "last_key_to_final_ratio_p50", "first_paint_ratio_p50"),
    }
    assert result["baseline"].keys() == {"name", *ours}
    assert result.keys() > {*ours, "speedup_first_paint_p50", "speedup_last_key_to_final_p50"}
    assert result["baseline"]["name"] == PEER
    ratio = result["last_key_to_final_ms"]["p50"] / result["bare_generation_ms"]["p50"]
    assert result["last_key_to_final_ratio_p50"] == pytest.approx(ratio, abs=0.01)


@pytest.mark.skipif(sys.platform != "linux", reason="nothing tells what a process has open")
def test_of_a_short_soak_no_descriptor_and_no_thread_is_left(
    capsys: pytest.CaptureFixture[str], servers: list[Server], monkeypatch: pytest.MonkeyPatch
):
    @contextmanager
    def running(commands: object) -> Iterator[list[Server]]:
        yield servers[:1]

    monkeypatch.setattr(soak, "serve_commands", running)
    few = ["--users", "3", "--phones", "2", "--threads", "1"]
    assert main(["bench", "soak", "--minutes", "0.1", *few]) == 0
    *table, document = capsys.readouterr().out.splitlines()
    result = json.loads(document)
    assert table[0].split() == ["warm", "at", "the", "end", "an", "hour", "%", "an", "hour"]
    assert result["happened"]["visits"] >= 6 and "lines broken" in result["happened"]
    assert result["happened"]["visits of phones"] >= 2 and "trouble" not in result["happened"]
    assert len(result["samples"]) >= 3
    # Threads that wait for work come and go; a leak would be one for each visit or request.
    assert result["left"]["descriptors"] <= 2 and result["left"]["threads"] <= 6


@pytest.mark.browser
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("needs_browser")
def test_the_browser_shows_what_was_typed(capsys: pytest.CaptureFixture[str]):
    # Slowing the page down twice shows that it works; it costs the machine as much as it slows.
    options = ["--small", "--throttle", "2", "--open", "--peers", PEER]
    assert main(["bench", "browser", *options, *FEW]) == 0
    result = last_line(capsys)
    assert list(result["devices"]) == ["desktop", "phone"]
    for device in result["devices"].values():
        assert list(device["pages"]) == [OURS, PEER, browser.OPEN]
        for name, page in device["pages"].items():
            # What goes wrong in Gradio's own page is not ours.
            assert name == PEER or page.get("problems", []) == []
            assert (page["wrong_pictures"], page["lost_finals"]) == (0, 0)
            assert page["pictures"] > 0
            assert 0 < page["own_share"] < 1
            assert page["levels_from_ours"] < 12, "the same picture is on both screens"
        assert device["speedup_last_key_to_final_p50_vs_best_peer"] > 0
        assert device["last_key_to_final_p50_all_open"] > 0


@pytest.mark.browser
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("needs_browser")
def test_words_are_guessed_and_counted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    def first_words(number: int, *, known: bool) -> Typist:
        """Somebody who types fast until the first rest."""
        whole = word_typist(number, known=known)
        until = next(place for place, key in enumerate(whole.keys) if key.waits)
        keys = tuple(replace(key, at=key.at / 4) for key in whole.keys[: until + 1])
        return replace(whole, keys=keys)

    monkeypatch.setattr(ahead, "word_typist", first_words)
    monkeypatch.setattr(ahead, "LOOK", 0.5)
    monkeypatch.setattr(ahead, "REST", 0.1)
    monkeypatch.setattr(ahead, "KINDS", {"of its own words": True})
    assert main(["bench", "ahead", "--rounds", "1", *FEW]) == 0
    (ways,) = last_line(capsys)["sentences"].values()
    without, guessed = (ways[name] for name in ("without", "with guesses"))
    assert without["ahead_steps_share"] == without["hit_rate"] == without["in_vain"] == 0
    for way in (without, guessed):
        assert way["lost_finals"] == 0
        assert way["click_to_final_ms"]["p50"] > 0
        assert 0 < way["last_key_to_bytes_ms"]["p50"] < way["last_key_to_final_ms"]["p50"]
        # A machine that is too slow for guesses makes none.
        assert all(0 <= way[name] <= 1 for name in ("ahead_steps_share", "hit_rate", "in_vain"))
