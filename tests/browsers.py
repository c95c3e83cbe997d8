"""The browser of tests: Chromium without windows, where there is one, for it takes less."""

from __future__ import annotations

from lightning_demo.bench import chromium

# A test's page is closed before faster code for its script has paid, and takes no GPU that needs
# a process of its own.
FLAGS = [*chromium.FLAGS, "--in-process-gpu", "--js-flags=--no-maglev --no-turbofan"]
NAMES = ("chromium-headless-shell", *chromium.NAMES)  # Debian's packages
