"""Passwords cannot be tried without end; logins end."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from lightning_demo.settings import ASSETS
from lightning_demo.web import logins
from lightning_demo.web.addresses import Allowance
from lightning_demo.web.content_security import hashes

from .conftest import Running


def test_passwords_and_logins_end(
    start: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    running = start(auth="ada:secret")

    def login(password: str, address: str, client: object = httpx) -> httpx.Response:
        data = {"username": "ada", "password": password}
        headers = {"X-Forwarded-For": address}  # as a proxy on this machine says
        return client.post(f"{running.url}/login", data=data, headers=headers)  # type: ignore[attr-defined]

    hall, guesser = "203.0.113.1", "203.0.113.2"
    for _ in range(3 * logins.ATTEMPTS):  # a whole hall behind one address
        assert login("secret", hall).status_code == 200
    for number in range(logins.ATTEMPTS):
        assert login(f"guess {number}", guesser).status_code == 400
    for password in ("guess", "secret"):
        refused = login(password, guesser)
        assert refused.status_code == 429 and "wait" in refused.json()["detail"]
        assert int(refused.headers["Retry-After"]) > 0
    assert login("secret", hall).status_code == 200, "nobody else waits for that"

    with httpx.Client(base_url=running.url) as client:
        assert login("secret", hall, client).is_success
        (token,) = {str(c.value) for c in client.cookies.jar}
        (name,) = {c.name for c in client.cookies.jar if "unsecure" in c.name}
        cookie = {"Cookie": f"{name}={token}"}
        assert client.get("/config", headers=cookie).status_code == 200
        monkeypatch.setattr(logins, "UNUSED_SECONDS", -1.0)
        assert client.get("/config", headers=cookie).status_code == 401
        with pytest.raises(InvalidStatus), running.socket(additional_headers=cookie):
            pass
        monkeypatch.setattr(logins, "SWEEP_SECONDS", -1.0)
        httpx.get(f"{running.url}/healthz")
        assert running.server._blocks.app.tokens == {}, "nor are those kept that never come again"


def test_the_login_page_says_that_too_many_were_tried(start: Callable[..., Running]) -> None:
    """By a script, since Gradio's knows a wrong password alone; `login.test.mjs` runs it."""
    running = start(auth="ada:secret")
    page = httpx.get(running.url)
    script = (ASSETS / "web" / "login.js").read_bytes()
    assert b"<script>" + script + b"</script>" in page.content
    assert hashes([script])[0] in page.headers["Content-Security-Policy"]
    with httpx.Client(base_url=running.url) as client:
        client.post("/login", data={"username": "ada", "password": "secret"})
        assert script not in client.get("/").content


def test_what_is_given_back_does_not_count() -> None:
    allowance = Allowance(1, 0.1)
    for _ in range(3):
        assert allowance.take("a", 0.0) == 0
        allowance.give_back("a")
    assert allowance.take("a", 0.0) == 0 and allowance.take("a", 0.0) > 0
    allowance.give_back("nobody")
