"""What Gradio's page says of ours in its head; that the browser loads it so: tests/browser."""

from __future__ import annotations

import re
from collections.abc import Callable

import httpx

from lightning_demo.web.page_head import ENTRY, modules

from .conftest import Running

PRELOAD = re.compile(r'<link rel="modulepreload" href="(.*?)"')


def test_every_module_that_the_page_is_made_of_is_named_and_served(running: Running) -> None:
    named = PRELOAD.findall(httpx.get(running.url).text)
    assert named == [f"web/{name}" for name in modules(ENTRY)]
    assert named[:2] == ["web/page.js", "web/live.js"] and "web/wall_window.js" not in named
    with httpx.Client(base_url=running.url) as http:
        assert {http.get(f"/{path}").status_code for path in named} == {200}


def test_a_link_to_the_page_shows_what_it_is(running: Running) -> None:
    text = httpx.get(running.url).text
    card = dict(re.findall(r'<meta property="og:(\w+)" content="(.*?)">', text))
    assert card["title"].startswith("Lightning") and card["description"]
    assert "twitter:" not in text and "header-image" not in text


def test_who_has_not_logged_in_is_told_of_no_module(start: Callable[..., Running]) -> None:
    running = start(auth="me:secret")
    assert not PRELOAD.search(httpx.get(running.url).text)
