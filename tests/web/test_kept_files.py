"""Files that are kept in memory are those on the disk."""

from __future__ import annotations

import os
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from lightning_demo.web.kept_files import KeptFolder

from .conftest import Running


@pytest.mark.parametrize(
    ("path", "kind"), [("/web/live.js", "javascript"), ("/web/style.css", "text/css")]
)
def test_who_has_a_file_is_told_that_it_is_still_so(running: Running, path: str, kind: str) -> None:
    first = httpx.get(running.url + path)
    assert first.status_code == 200 and kind in first.headers["content-type"]
    assert first.headers["cache-control"] == "no-cache"
    again = httpx.get(running.url + path, headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304 and again.content == b""
    assert httpx.head(running.url + path).headers["etag"] == first.headers["etag"]


def test_a_file_that_changes_is_seen_at_once(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("one", encoding="utf-8")
    client = TestClient(Starlette(routes=KeptFolder(tmp_path).routes()))
    first = client.get("/web/page.html")
    assert (first.text, first.headers["content-type"]) == ("one", "text/html; charset=utf-8")
    path.write_text("two", encoding="utf-8")
    os.utime(path, ns=(1, 1))
    second = client.get("/web/page.html", headers={"If-None-Match": first.headers["etag"]})
    assert (second.status_code, second.text) == (200, "two")


def test_an_address_that_changes_with_the_files_is_never_asked_again(tmp_path: Path) -> None:
    path = tmp_path / "one.js"
    path.write_text("1", encoding="utf-8")
    folder = KeptFolder(tmp_path)
    client = TestClient(Starlette(routes=folder.routes()))
    before = folder.address()
    kept = client.get(f"/{before}/one.js").headers["cache-control"]
    assert "immutable" in kept and "private" in kept, "a login may be needed"
    assert client.get("/web/one.js").headers["cache-control"] == "no-cache"
    path.write_text("two", encoding="utf-8")
    after = folder.address()
    assert after != before and client.get(f"/{after}/one.js").text == "two"
    # A page from before the change still gets what is there now, and does not keep it.
    old = client.get(f"/{before}/one.js")
    assert (old.text, old.headers["cache-control"]) == ("two", "no-cache")
    for name in ("two.js", "", "%2e%2e", "..%2fone.js"):
        assert client.get(f"/{after}/{name}").status_code == 404
