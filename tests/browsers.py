"""The browser of tests: Chromium without windows, where there is one, for it takes less."""

from __future__ import annotations

from lightning_demo.bench import chromium

NAMES = ("chromium-headless-shell", *chromium.NAMES)  # Debian's packages
