"""A page in a real browser: opened on a device, typed at, and what its probe has noted."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .score import PATIENCE, KeyPress, Picture, Trace
from .servers import OURS, Server
from .typists import Key

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

PROBE = Path(__file__).with_name("browser_probe.js")
OPEN_WITHIN = 60_000  # ms


@dataclass(frozen=True, slots=True)
class Device:
    """What the page is opened on."""

    throttle: float  # times that the page's thread is slower
    screen: Mapping[str, Any]  # of the browser's context


@dataclass(slots=True)
class Turn:
    """One sentence typed at one page: what its probe noted, seconds by the page's clock."""

    trace: Trace  # its pictures are shown
    received: Trace  # the same keys and pictures; these are as they come, before they are drawn
    key_to_send: list[float] = field(default_factory=list)
    bytes_to_pixel: list[float] = field(default_factory=list)
    own_share: float | None = None  # of the wait for the last picture; None: it did not come
    wrong: int = 0  # pictures of a text that was not typed
    pixels: np.ndarray = field(default_factory=lambda: np.zeros(0))


def devices(throttle: float) -> dict[str, Device]:
    """By name; a phone is `throttle` times slower."""
    phone = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2}
    return {
        "desktop": Device(1, {"viewport": {"width": 1280, "height": 900}}),
        "phone": Device(throttle, {**phone, "is_mobile": True, "has_touch": True}),
    }


def read(noted: Mapping[str, Any], keys: Sequence[Key], ended: float) -> Turn:
    """What a page's probe noted.

    Args:
        ended: seconds by the page's clock.
    """
    numbers = {key.text: number for number, key in enumerate(keys)}
    pressed = {press["text"]: press["at"] / 1000 for press in noted["keys"]}
    sent: dict[str, float] = {}
    for each in noted["sent"]:
        if each["text"] in pressed:  # Gradio asks now and then twice
            sent.setdefault(each["text"], each["at"] / 1000)
    presses = [
        KeyPress(at, key.waits or key is keys[-1], at) for key in keys for at in [pressed[key.text]]
    ]
    trace = Trace(presses, ended=ended, problems=list(noted["problems"]))
    turn = Turn(trace, Trace(presses, ended=ended))
    turn.key_to_send = [at - pressed[text] for text, at in sent.items()]
    for picture in noted["painted"]:
        text, step, final = picture["text"], picture["step"], picture["final"]
        at, received = picture["at"] / 1000, picture["received"] / 1000
        if text not in numbers:
            turn.wrong += 1
            trace.problems.append(f"a picture of {text!r}, which nobody typed")
            continue
        turn.bytes_to_pixel.append(at - received)
        trace.pictures.append(Picture(at, numbers[text], step, step, final))
        turn.received.pictures.append(Picture(received, numbers[text], step, step, final))
        if final and text == keys[-1].text and turn.own_share is None:
            own = sent[text] - pressed[text] + at - received
            turn.own_share = own / (at - pressed[text])
    return turn


def open_page(context: BrowserContext, server: Server, steps: int) -> Page:
    """A page that has painted its first picture, with the probe in it."""
    page = context.new_page()
    page.set_default_timeout(OPEN_WITHIN)
    page.add_init_script(f"({PROBE.read_text(encoding='utf-8').rstrip().rstrip(';')})({steps});")
    page.goto(f"{server.url}?num_inference_steps={steps}", wait_until="domcontentloaded")
    if server.name == OURS:
        page.wait_for_function("globalThis.lightning?.painted.at(-1)?.final")
        page.evaluate("probe.watchOurs()")
    return page


def type_keys(page: Page, keys: Sequence[Key]) -> None:
    """Types by the clock, each text longer than the one before, whatever comes back."""
    begun, before = time.perf_counter(), ""
    for key in keys:
        time.sleep(max(0.0, begun + key.at - time.perf_counter()))
        page.keyboard.type(key.text.removeprefix(before))
        before = key.text


def wait_finished(page: Page, text: str) -> None:
    wait(page, "text => probe.finished(text)", text, f"no finished picture of {text!r}")


def wait(page: Page, condition: str, arg: str | None, otherwise: str) -> None:
    """Waits for a condition, or in vain."""
    from playwright.sync_api import TimeoutError as PlaywrightTimeout

    try:
        page.wait_for_function(condition, arg=arg, timeout=PATIENCE * 1000, polling=100)
    except PlaywrightTimeout:
        print(f"{otherwise} after {PATIENCE:g} seconds", flush=True)
