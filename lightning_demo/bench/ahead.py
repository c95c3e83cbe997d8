"""`bench ahead`: what painting ahead of the typist is worth, in a real browser, and what it costs.

One person types sentences at our page, in turns with guesses and without, and looks at the picture
after every few words: of the miniature's own words, which the page completes, and ordinary ones.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import httpx
import torch
from prometheus_client.parser import text_string_to_metric_families

from .bench_model import miniature_sampler
from .chromium import chromium
from .live import bare_generations
from .report import add_steps, add_threads, environment, p50_p95, shown, table, whole
from .score import Round, score
from .servers import OURS, REST_WITHIN, Server, serve_all, wait_until_fast
from .typed_page import Turn, devices, open_page, read, type_keys, wait_finished
from .typists import Key, word_typist

if TYPE_CHECKING:
    from playwright.sync_api import Browser

KINDS = {"of its own words": True, "ordinary": False}
WAYS = {"without": False, "with guesses": True}
REST = 1.5  # seconds in which a server comes to rest
LOOK = 4.0  # seconds that somebody looks at the picture before the click
# Milliseconds from a click on a step count to the finished picture on the canvas.
CLICK = """async (steps) => {
  const asked = lightning.sequence;
  const begun = performance.now();
  document.querySelector(`#steps input[value="${steps}"]`).click();
  for (;;) {
    await new Promise(requestAnimationFrame);
    const { sequence, final } = lightning.painted.at(-1);
    if (final && sequence > asked) return performance.now() - begun;
  }
}"""
SEED = 5000
FIGURES = (  # the table's rows: label, key
    ("last key to final picture, ms p50/p95", "last_key_to_final_ms"),
    ("the same, in bare generations", "last_key_to_final_ratio_p50"),
    ("last key to the final picture's bytes, ms p50/p95", "last_key_to_bytes_ms"),
    ("the same, in bare generations", "last_key_to_bytes_ratio_p50"),
    ("key to first paint, ms p50/p95", "first_paint_ms"),
    ("click on another step count to its picture, ms p50/p95", "click_to_final_ms"),
    ("words that had been guessed", "hit_rate"),
    ("steps for guesses, of all", "ahead_steps_share"),
    ("of those, for wrong ones", "in_vain"),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `bench ahead`."""
    parser.add_argument(
        "--rounds", type=whole(1, 100), default=5, help="sentences of each kind (default: 5)"
    )
    add_steps(parser)
    add_threads(parser)


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Runs the benchmark and prints its tables; returns the JSON document."""
    torch.set_num_threads(args.threads)
    steps = args.num_inference_steps
    sampler, bare = miniature_sampler(steps), []
    found: dict[str, dict[str, list[_Turn]]] = {k: {w: [] for w in WAYS} for k in KINDS}
    with chromium() as browser, serve_all([OURS], steps, args.threads) as (server,):
        _turn(browser, server, steps, [Key(0.0, "a", True)], SEED - 1, ahead=False)
        wait_until_fast(server)
        for number in range(args.rounds):
            bare += bare_generations(sampler, steps)
            for kind, known in KINDS.items():
                keys = word_typist(number, known=known).keys
                # In both orders: what comes second finds its prompts encoded.
                order = list(WAYS.items())[:: 1 if number % 2 else -1]
                for place, (way, ahead) in enumerate(order):
                    # Another seed each time: nothing comes from the memory of the turn before.
                    seed = SEED + 4 * number + 2 * known + place
                    turn = _turn(browser, server, steps, keys, seed, ahead=ahead)
                    found[kind][way].append(turn)
                    print(f"{kind}, {way}: {keys[-1].text}", flush=True)
    once = p50_p95(bare)
    kinds = {
        kind: {way: _figures(turns, once["p50"], steps) for way, turns in ways.items()}
        for kind, ways in found.items()
    }
    print(f"one bare {steps}-step generation: {once['p50']:.0f} ms")
    for kind, ways in kinds.items():
        rows = [[label, *(shown(each[key]) for each in ways.values())] for label, key in FIGURES]
        print(table([kind, *ways], rows), flush=True)
    return {
        "benchmark": "ahead",
        "sentences": kinds,
        "bare_generation_ms": once,
        "rounds": args.rounds,
        "num_inference_steps": steps,
        "threads": args.threads,
        **environment(),
    }


class _Turn:
    """One sentence typed: what was shown, and by how much the server's counters grew."""

    def __init__(
        self, turn: Turn, click: float, grown: Mapping[str, float], hit_rate: float
    ) -> None:
        self.turn, self.click, self.grown, self.hit_rate = turn, click, grown, hit_rate


def _turn(
    browser: Browser, server: Server, steps: int, keys: Any, seed: int, *, ahead: bool
) -> _Turn:
    context = browser.new_context(**devices(1)["desktop"].screen)
    try:
        with server.running():
            page = open_page(context, server, steps)
            page.evaluate("on => { lightning.paintsAhead = on; }", ahead)
            page.get_by_label("Seed", exact=True).fill(str(seed))
            page.get_by_label("Prompt", exact=True).press("Control+A")
            page.keyboard.press("Delete")
            before = _counters_at_rest(server)
            page.evaluate("probe.clear()")
            type_keys(page, keys)
            wait_finished(page, keys[-1].text)
            ended, noted = page.evaluate("[performance.now() / 1000, probe]")
            time.sleep(LOOK)
            hits = _counters(server)["hit"] - before["hit"]
            click = page.evaluate(CLICK, steps // 2 or 2)
            grown = {name: value - before[name] for name, value in _counters(server).items()}
        words = max(1, sum(len(word) > 2 for word in keys[-1].text.split()))
        return _Turn(read(noted, keys, ended), click, grown, hits / words)
    finally:
        context.close()


def _counters_at_rest(server: Server) -> dict[str, float]:
    """The same as `_counters`, once the last guess has been given up."""
    until = time.perf_counter() + REST_WITHIN
    found = _counters(server)
    while time.perf_counter() < until:
        time.sleep(REST)
        before, found = found, _counters(server)
        if before == found:
            break
    return found


def _counters(server: Server) -> dict[str, float]:
    """The server's own figures that count guesses, by short names."""
    text = httpx.get(server.url + "metrics", trust_env=False, timeout=REST_WITHIN).text
    found = dict.fromkeys(("steps", "ahead_steps", "painted", "given_up", "hit"), 0.0)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name in ("lightning_steps_total", "lightning_ahead_steps_total"):
                name = sample.name.removeprefix("lightning_").removesuffix("_total")
                found[name] += sample.value
            elif sample.name == "lightning_ahead_total":
                found[sample.labels["outcome"]] = sample.value
    return found


def _figures(turns: list[_Turn], bare_ms: float, steps: int) -> dict[str, Any]:
    scored = score([Round((each.turn.trace,), None) for each in turns])
    arrived = score([Round((each.turn.received,), None) for each in turns])
    grown = {name: sum(turn.grown[name] for turn in turns) for name in turns[0].grown}
    times = {
        "last_key_to_final_ms": scored["last_key_to_final_ms"],
        "last_key_to_bytes_ms": arrived["last_key_to_final_ms"],
        "first_paint_ms": scored["first_paint_ms"],
    }
    every, guessed = grown["steps"] + grown["ahead_steps"], grown["ahead_steps"]
    vain = max(0.0, guessed - steps * grown["hit"])  # at least
    return {
        **{name: {key: each[key] for key in ("p50", "p95")} for name, each in times.items()},
        **{
            name.replace("_ms", "_ratio_p50"): round(times[name]["p50"] / bare_ms, 2)
            for name in ("last_key_to_final_ms", "last_key_to_bytes_ms")
        },
        "click_to_final_ms": p50_p95([turn.click for turn in turns]),
        "hit_rate": round(sum(turn.hit_rate for turn in turns) / len(turns), 2),
        "ahead_steps_share": round(guessed / every, 2) if every else 0.0,
        "in_vain": round(vain / guessed, 2) if guessed else 0.0,
        "lost_finals": scored["lost_finals"],
    }
