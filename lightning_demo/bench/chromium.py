"""The Chromium of this machine, driven by Playwright."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..errors import InvalidSetting

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def find() -> str | None:
    """Where it is; None where none is installed."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """A running browser.

    Raises:
        InvalidSetting: Playwright or the browser is missing; it says what to install.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise InvalidSetting(
            "This needs Playwright: pip install -r requirements-bench.txt"
        ) from None
    path = find()
    if path is None:
        raise InvalidSetting(
            f"This needs a browser, and none of {', '.join(NAMES)} is installed "
            "(Debian: apt install chromium)."
        )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()
