"""Fixtures: servers as those of the web's tests, and the engines' quick models."""

from __future__ import annotations

from ..engine.conftest import components, sampler
from ..web.conftest import one_app_a_page, start

__all__ = ["components", "one_app_a_page", "sampler", "start"]
