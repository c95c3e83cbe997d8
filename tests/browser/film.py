"""Films the real page for the README: `python -m tests.browser.film docs/typing.gif`.

Starts the demo on the shipped miniature, types in a real Chromium, and makes one animation of what
was on the screen. Not a test; run it when the page or the miniature has changed.
"""

from __future__ import annotations

import io
import sys
import time
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page

from lightning_demo.bench.chromium import chromium
from lightning_demo.bench.servers import launch

SIZE = {"width": 1180, "height": 800}
FILM_WIDTH = 760
KEY_MS = 90
HOLD_MS = 900  # each sentence stays this long when it is done
SENTENCES = (
    "a red house by the sea at sunset",
    "a red house in the snow at night",
    "a yellow boat by the sea in a storm",
)
COLOURS = 96


def film(target: Path) -> None:
    """Types the sentences and writes the animation."""
    frames: list[tuple[Image.Image, int]] = []
    serve = ["-m", "lightning_demo", "serve", "--model", "miniature", "--port", "0"]
    with launch(serve) as demo, chromium() as browser:
        demo.wait()
        page = browser.new_page(viewport=SIZE, color_scheme="dark")
        page.goto(demo.url)
        page.wait_for_function("globalThis.lightning?.painted.some((frame) => frame.final)")
        for sentence in SENTENCES:
            _type(page, sentence, frames)
    target.parent.mkdir(parents=True, exist_ok=True)
    _save(frames, target)


def _type(page: Page, sentence: str, frames: list[tuple[Image.Image, int]]) -> None:
    """Replaces what differs from the text in the box, a key at a time."""
    box = page.locator("#prompt textarea, #prompt input").first
    box.focus()
    same = _common(box.input_value(), sentence)
    box.press("End")
    while box.input_value() != sentence[:same]:
        box.press("Backspace")
    for number, character in enumerate(sentence[same:]):
        box.press_sequentially(character)
        page.wait_for_timeout(KEY_MS)
        if number % 2:  # every other key is enough to see it follow
            frames.append((_shot(page), 2 * KEY_MS))
    page.wait_for_function(
        "(text) => { const last = globalThis.lightning.painted.at(-1);"
        " return last.final && last.prompt === text; }",
        arg=sentence,
    )
    frames.append((_shot(page), HOLD_MS))


def _common(one: str, other: str) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))


def _shot(page: Page) -> Image.Image:
    image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    height = round(image.height * FILM_WIDTH / image.width)
    return image.resize((FILM_WIDTH, height), Image.Resampling.LANCZOS)


def _save(frames: list[tuple[Image.Image, int]], target: Path) -> None:
    # Without dithering flat areas stay flat, and the file a quarter of the size.
    pictures = [image.quantize(COLOURS, dither=Image.Dither.NONE) for image, _ in frames]
    pictures[0].save(
        target,
        save_all=True,
        append_images=pictures[1:],
        duration=[duration for _, duration in frames],
        loop=0,
        optimize=True,
    )


if __name__ == "__main__":
    begun = time.monotonic()
    film(Path(sys.argv[1]))
    print(f"filmed in {time.monotonic() - begun:.0f} s")
