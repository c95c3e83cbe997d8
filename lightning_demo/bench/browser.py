"""`bench browser`: from the key to the painted pixel, in a real Chromium.

One person types at our page and at the Gradio peers, in turns, on a desktop and on what stands for
a phone: a small touch screen, and the page's thread slowed down. `browser_probe.js` notes in every
page the same: when a key was pressed, and when the browser had made the first frame that shows a
picture of that text. Times are scored as those of `bench many`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import EngineUnavailable
from .chromium import chromium
from .report import add_steps, add_threads, environment, p50_p95, shown, table, whole
from .score import Round, score
from .servers import OURS, Server, serve_all, wait_until_fast
from .typed_page import Device, Turn, devices, open_page, read, type_keys, wait, wait_finished
from .typists import KEYS_PER_SECOND, Key, steady_typist

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PEERS = ("always_last", "gradio_stream")
WARM_UP = "a tree"  # typed at each page before what counts
SMALL_KEYS = 6
REST = 0.5  # seconds between what does not count and what does
SEED = 2000  # of the first round; the next ones follow, so that no memory answers
OPEN = f"{OURS}, all open"  # our page once more, with seeds from here on
OPEN_SEED = 3000
OPEN_ALL = """
document.querySelectorAll("details").forEach(details => { details.open = true; });
lightning.drawer.open(true);
lightning.tools.openRead(true);
lightning.waterfall.toggle(true);
lightning.timeline.menu.open(true); // which takes the focus
lightning.controls.field("prompt").focus();
"""
FIGURES = (  # the table's rows: label, key, format
    ("last key to final picture, ms p50/p95", "last_key_to_final_ms", ".0f"),
    ("key to first paint, ms p50/p95", "first_paint_ms", ".0f"),
    ("key to send, ms p50/p95", "key_to_send_ms", ".1f"),
    ("bytes to pixel, ms p50/p95", "bytes_to_pixel_ms", ".1f"),
    ("the page's own share of the last key's wait", "own_share", ".2f"),
    ("pictures painted", "pictures", "d"),
    ("of a text that was not typed", "wrong_pictures", "d"),
    ("lost finals", "lost_finals", "d"),
    ("levels from our picture", "levels_from_ours", ".1f"),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `bench browser`."""
    parser.add_argument(
        "--rounds", type=whole(1, 100), default=3, help="each page's turns (default: 3)"
    )
    parser.add_argument(
        "--throttle",
        type=whole(1, 20),
        default=4,
        help="how many times slower a phone's page is, 1 to 20 (default: 4)",
    )
    parser.add_argument(
        "--peers",
        nargs="*",
        choices=PEERS,
        default=PEERS,
        metavar="PEER",
        help=f"of {', '.join(PEERS)}; none after the option: ours alone (default: both)",
    )
    parser.add_argument(
        "--open",
        action="store_true",
        help="our page a second time, with everything open that opens: drawer, tools, measurements",
    )
    parser.add_argument(
        "--small", action="store_true", help="one round of a few keys: shows that all of it works"
    )
    add_steps(parser)
    add_threads(parser)
    parser.add_argument("--out", type=Path, metavar="FILE", help="also keep the JSON as FILE")


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Runs the benchmark and prints its tables; returns the JSON document."""
    steps, rounds = args.num_inference_steps, 1 if args.small else args.rounds
    names = [OURS, *dict.fromkeys(args.peers)]
    turns: dict[str, dict[str, list[Turn]]] = {}
    with chromium() as browser, serve_all(names, steps, args.threads) as servers:
        _warm_up(browser, servers, steps)
        for number in range(rounds):
            typing = steady_typist(number).keys
            keys = typing[:SMALL_KEYS] if args.small else typing
            for name, device in devices(args.throttle).items():
                shown = [*names, OPEN] if args.open else names
                pages = turns.setdefault(name, {page: [] for page in shown})
                for page in _in_turns(shown, number):
                    server = servers[0] if page == OPEN else servers[names.index(page)]
                    seed = (OPEN_SEED if page == OPEN else SEED) + number
                    turn = _turn(browser, server, device, steps, keys, seed, opened=page == OPEN)
                    pages[page].append(turn)
    found = {name: _compared(pages) for name, pages in turns.items()}
    for name, device in devices(args.throttle).items():
        _print(f"{name}, {device.throttle:g}x slower", found[name]["pages"])
    return {
        "benchmark": "browser",
        "devices": found,
        "throttle": args.throttle,
        "keys_per_second": KEYS_PER_SECOND,
        "rounds": rounds,
        "num_inference_steps": steps,
        "threads": args.threads,
        **environment(),
    }


def _in_turns(pages: Sequence[str], number: int) -> list[str]:
    """The pages in a round's order: ours open beside ours, each of them first every other time."""
    ours = [page for page in (OURS, OPEN) if page in pages]
    return [*ours[:: -1 if number % 2 else 1], *(page for page in pages if page not in ours)]


def _warm_up(browser: Browser, servers: Sequence[Server], steps: int) -> None:
    """Types at each, which does not count, and waits until ours is as fast as it will be."""
    keys = [Key(0.0, "a", False), Key(0.2, "a cat", True)]
    for server in servers:
        turn = _turn(browser, server, devices(1)["desktop"], steps, keys, SEED - 1)
        if turn.own_share is None:
            said = "; ".join(turn.trace.problems) or "it said nothing"
            raise EngineUnavailable(f"{server.name} showed no finished picture: {said}")
    wait_until_fast(servers[0])


def _turn(
    browser: Browser,
    server: Server,
    device: Device,
    steps: int,
    keys: Sequence[Key],
    seed: int,
    *,
    opened: bool = False,
) -> Turn:
    """Opens a page, types the keys, and waits for the last picture.

    Args:
        opened: whether everything is opened that opens.
    """
    context = browser.new_context(**device.screen)
    try:
        with server.running():
            page = open_page(context, server, steps)
            if opened:
                page.evaluate(OPEN_ALL)
            client = context.new_cdp_session(page)
            client.send("Emulation.setCPUThrottlingRate", {"rate": device.throttle})
            page.get_by_label("Seed", exact=True).fill(str(seed))
            page.get_by_label("Prompt", exact=True).press("Control+A")
            page.keyboard.type(WARM_UP, delay=1000 / KEYS_PER_SECOND)
            wait_finished(page, WARM_UP)
            time.sleep(REST)
            wait(page, "probe.rests()", None, "the page does not come to rest")
            page.keyboard.press("Control+A")
            page.evaluate("probe.clear()")
            type_keys(page, keys)
            wait_finished(page, keys[-1].text)
            ended, noted = page.evaluate("[performance.now() / 1000, probe]")
            turn = read(noted, keys, ended)
            turn.pixels = np.array(page.evaluate("probe.pixels()"), float)
    finally:
        context.close()
    name = OPEN if opened else server.name
    print(f"{name}: {len(keys)} keys typed, {device.throttle:g}x slower", flush=True)
    return turn


def _compared(pages: Mapping[str, Sequence[Turn]]) -> dict[str, Any]:
    """The figures of all pages on one device, ours beside the best peer."""
    figures = {
        name: _figures(turns, turns if name == OPEN else pages[OURS])
        for name, turns in pages.items()
    }
    result: dict[str, Any] = {"pages": figures}
    peers = [each for name, each in figures.items() if name not in (OURS, OPEN)]
    for time_name in ("last_key_to_final", "first_paint"):
        ours = figures[OURS][f"{time_name}_ms"]["p50"]
        if peers:
            best = min(peer[f"{time_name}_ms"]["p50"] for peer in peers)
            result[f"speedup_{time_name}_p50_vs_best_peer"] = round(best / ours, 2)
        if OPEN in figures:
            opened = figures[OPEN][f"{time_name}_ms"]["p50"]
            result[f"{time_name}_p50_all_open"] = round(opened / ours, 2)
    return result


def _figures(turns: Sequence[Turn], ours: Sequence[Turn]) -> dict[str, Any]:
    found = score([Round((turn.trace,), None) for turn in turns])
    apart = [np.abs(a.pixels - b.pixels).mean() for a, b in zip(turns, ours, strict=True)]
    shares = [turn.own_share for turn in turns if turn.own_share is not None]
    send = [1000 * each for turn in turns for each in turn.key_to_send]
    paint = [1000 * each for turn in turns for each in turn.bytes_to_pixel]
    times = ("last_key_to_final_ms", "first_paint_ms")
    return {
        **{name: {share: found[name][share] for share in ("p50", "p95")} for name in times},
        "key_to_send_ms": p50_p95(send),
        "bytes_to_pixel_ms": p50_p95(paint),
        "own_share": round(float(np.median(shares)), 3) if shares else None,
        "pictures": len(paint),
        "wrong_pictures": sum(turn.wrong for turn in turns),
        "lost_finals": found["lost_finals"],
        "levels_from_ours": round(float(max(apart)), 2),
        **({"problems": found["problems"]} if "problems" in found else {}),
    }


def _print(title: str, pages: Mapping[str, Mapping[str, Any]]) -> None:
    rows = [
        [label, *(shown(figures[key], form) for figures in pages.values())]
        for label, key, form in FIGURES
    ]
    print(table([title, *pages], rows), flush=True)
