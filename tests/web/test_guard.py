"""Who is let in: hosts, origins, bodies, and the login."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from lightning_demo.settings import Settings
from lightning_demo.web.guard import allowed_hosts, host_name, is_loopback

from .conftest import Running

PICTURE = {"prompt": "a cat", "seed": 1}

# What a browser sends with a POST or a socket, and whether it comes from our page. HOST stands
# for the server's own address.
ORIGINS = [
    ({}, True),  # no browser at all
    ({"Origin": "http://HOST"}, True),
    ({"Origin": "http://HOST", "Sec-Fetch-Site": "same-origin"}, True),
    ({"Sec-Fetch-Site": "none"}, True),  # typed into the address bar
    ({"Origin": "https://demo.example", "X-Forwarded-Host": "demo.example"}, True),  # a proxy
    ({"Origin": "https://evil.example"}, False),
    ({"Origin": "null"}, False),
    ({"Origin": ""}, False),
    ({"Origin": "http://HOST.evil.example"}, False),
    ({"Origin": "http://evil.example/?http://HOST"}, False),
    ({"Origin": "http://evil.example@HOST"}, False),
    ({"Origin": "http://localhost:1"}, False),  # another server on this machine
    ({"Origin": "http://HOST", "Sec-Fetch-Site": "cross-site"}, False),
    ({"Origin": "http://HOST", "Sec-Fetch-Site": "same-site"}, False),
    ({"Sec-Fetch-Site": "cross-site"}, False),
]
HOSTS = [
    ("localhost", True),
    ("localhost:7860", True),
    ("LOCALHOST", True),
    ("127.0.0.1:80", True),
    ("[::1]:7860", True),
    ("evil.example", False),
    ("evil.example:7860", False),
    ("localhost.evil.example", False),
    ("127.0.0.1.evil.example", False),
    ("127.0.0.1@evil.example", False),
    ("0.0.0.0", False),  # noqa: S104
    ("[::1", False),
    ("", False),
]


def _here(headers: dict[str, str], running: Running) -> dict[str, str]:
    host = running.url.removeprefix("http://")
    return {name: value.replace("HOST", host) for name, value in headers.items()}


@pytest.mark.parametrize(("headers", "ours"), ORIGINS)
def test_posts_of_other_pages_are_refused(
    running: Running, headers: dict[str, str], ours: bool
) -> None:
    answer = httpx.post(f"{running.url}/picture", json=PICTURE, headers=_here(headers, running))
    assert answer.status_code == (200 if ours else 403)


@pytest.mark.parametrize(("headers", "ours"), ORIGINS)
def test_sockets_of_other_pages_are_refused(
    running: Running, headers: dict[str, str], ours: bool
) -> None:
    sent = _here(headers, running)
    if ours:
        with running.socket(additional_headers=sent) as tab:
            assert tab.receive()["type"] == "status"
        return
    with (
        pytest.raises(InvalidStatus) as caught,
        running.socket(additional_headers=sent),
    ):
        pass
    assert caught.value.response.status_code == 403


def test_gradios_own_routes_are_guarded_too(running: Running) -> None:
    answer = httpx.post(
        f"{running.url}/gradio_api/queue/join",
        json={"data": [], "fn_index": 0, "session_hash": "x"},
        headers={"Origin": "https://evil.example"},
    )
    assert answer.status_code == 403
    assert httpx.get(running.url, headers={"Host": "evil.example"}).status_code == 403


@pytest.mark.parametrize(("host", "ours"), HOSTS)
def test_only_our_own_names_are_served(running: Running, host: str, ours: bool) -> None:
    for path in ("/healthz", "/", "/web/live.js", "/config"):
        answer = httpx.get(running.url + path, headers={"Host": host})
        assert answer.status_code == (200 if ours else 403), path


def test_which_hosts_are_ours() -> None:
    assert allowed_hosts(Settings(host="0.0.0.0")) is None  # noqa: S104
    assert allowed_hosts(Settings(share=True)) is None
    assert allowed_hosts(Settings(host="::1")) == {"localhost", "127.0.0.1", "::1"}
    named = allowed_hosts(Settings(host="0.0.0.0", allowed_hosts="Demo.Example, other"))  # noqa: S104
    assert named is not None and {"demo.example", "other", "localhost"} <= named
    assert "evil.example" not in named


def test_names_and_addresses() -> None:
    assert [is_loopback(host) for host in ("localhost", "127.0.0.9", "::1", "[::1]")] == [True] * 4
    assert [is_loopback(host) for host in ("0.0.0.0", "10.0.0.1", "x")] == [False] * 3  # noqa: S104
    assert host_name("[::1]:80") == "::1"
    assert host_name("a:b:c") == "a"


@pytest.mark.parametrize("path", ["/picture", "/gradio_api/queue/join", "/gradio_api/run/live"])
def test_a_body_too_large_is_refused_before_it_is_read(running: Running, path: str) -> None:
    connection = http.client.HTTPConnection(running.url.removeprefix("http://"), timeout=20)
    connection.putrequest("POST", path)
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", "60000000")
    connection.endheaders()  # and not a byte more
    answer = connection.getresponse()
    assert answer.status == 413
    assert json.load(answer)["status"] == 413
    connection.close()


def test_a_body_without_length_is_cut_off(running: Running) -> None:
    def endless() -> object:
        for _ in range(64):
            yield b"x" * 65_536

    try:
        answer = httpx.post(
            f"{running.url}/picture",
            content=endless(),  # type: ignore[arg-type]
            headers={"Content-Type": "application/json"},
        )
        assert answer.status_code == 413
    except httpx.HTTPError:  # it was still sending when the connection was closed
        pass
    assert httpx.get(f"{running.url}/healthz").status_code == 200


def test_without_the_login_there_is_only_health(start: Callable[..., Running]) -> None:
    running = start(auth="ada:secret")
    health = httpx.get(f"{running.url}/healthz")
    assert (health.status_code, health.json()) == (200, {"type": "status"})
    assert httpx.get(f"{running.url}/readyz").status_code == 200
    page = httpx.get(running.url)
    assert page.text.count("<title>") == 1 and page.text.rstrip().endswith("</html>")
    assert httpx.get(f"{running.url}/config").status_code == 401
    assert httpx.get(f"{running.url}/metrics").status_code == 401
    assert httpx.post(f"{running.url}/picture", json=PICTURE).status_code == 401
    with pytest.raises(InvalidStatus) as caught, running.socket():
        pass
    assert caught.value.response.status_code == 403
    forged = {"Cookie": "access-token-x=1; access-token-unsecure-x=1"}
    assert httpx.post(f"{running.url}/picture", json=PICTURE, headers=forged).status_code == 401


def test_with_the_login_everything_works(start: Callable[..., Running]) -> None:
    running = start(auth="ada:secret")
    with httpx.Client(base_url=running.url) as client:
        wrong = client.post("/login", data={"username": "ada", "password": "guess"})
        assert wrong.status_code == 400
        assert client.post("/login", data={"username": "ada", "password": "secret"}).is_success
        # The other cookie is for https only.
        cookies = {c.name: str(c.value) for c in client.cookies.jar if "unsecure" in c.name}
        assert client.post("/picture", json=PICTURE).status_code == 200
        assert client.get("/healthz").json()["state"] == "ready"
        assert client.get("/metrics").status_code == 200
    cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
    with running.socket(additional_headers={"Cookie": cookie}) as tab:
        tab.ask(1)
        assert tab.final(1)
