"""What Gradio's page says of ours in its head; that the browser loads it so: tests/browser."""

from __future__ import annotations

import re
from collections.abc import Callable

import httpx
import pytest

from lightning_demo.settings import ASSETS

from .conftest import Running

PRELOAD = re.compile(r'<link rel="modulepreload" href="(.*?)"')


def test_every_module_that_the_page_is_made_of_is_named_and_served(running: Running) -> None:
    with httpx.Client(base_url=running.url) as http:
        named = PRELOAD.findall(http.get("/").text)
        names = [path.rpartition("/")[2] for path in named]
        assert names[:2] == ["page.js", "live.js"] and "wall_window.js" not in names
        answers = [http.get(f"/{path}") for path in named]
        for name, answer in zip(names, answers, strict=True):
            assert answer.status_code == 200
            assert answer.text == (ASSETS / "web" / name).read_text(encoding="utf-8")
            assert "immutable" in answer.headers["cache-control"], "nobody asks for it again"


@pytest.mark.parametrize("page", ["stage", "audience", "battle"])
def test_so_are_those_of_a_talks_pages(start: Callable[..., Running], page: str) -> None:
    running = start(stage=True, audience=True)
    with httpx.Client(base_url=running.url) as http:
        answer = http.get(f"/{page}")
        named = re.findall(r'(?:href|src)="(web.*?)"', answer.text)
        assert len(set(named)) > 8 and not [each for each in named if each.startswith("web/")]
        for path in named:
            assert "immutable" in http.get(f"/{path}").headers["cache-control"]
        again = http.get(f"/{page}", headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304


def test_a_link_to_the_page_shows_what_it_is(running: Running) -> None:
    text = httpx.get(running.url).text
    card = dict(re.findall(r'<meta property="og:(\w+)" content="(.*?)">', text))
    assert card["title"].startswith("Lightning") and card["description"]
    assert "twitter:" not in text and "header-image" not in text


def test_who_has_not_logged_in_is_told_of_no_module(start: Callable[..., Running]) -> None:
    running = start(auth="me:secret")
    assert not PRELOAD.search(httpx.get(running.url).text)
