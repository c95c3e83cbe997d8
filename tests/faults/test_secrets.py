"""What must never be read in a log, at the most verbose level: all that opens something, and lines
that a client has made up.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import subprocess
import sys
import tempfile
from base64 import b64encode
from typing import NamedTuple
from urllib.parse import quote, urlsplit

import httpx
import pytest
from websockets.exceptions import WebSocketException

from ..processes import ForkedPopen
from ..web.conftest import Tab, connect

# Each is unlike any other text; the file names are not secrets.
SECRETS = {
    "login": "Tr0ub4dor-login",
    "wrong login": "wr0ng-guess-login",
    "presenter": "presenter-pa55word",
    "wrong presenter": "wr0ng-presenter-pa55",
    "key": "sk-alice-0123456789abcdef",
    "wrong key": "sk-nobody-0123456789abcd",
    "hub": "hf_AbCdEfGhIjKlMnOpQrStUvWx",
    "fallback": "sk-server-fedcba9876543210",
}
# Of a log, as a client would like it to be; and what a terminal would obey.
FORGED = "2031-01-01 00:00:00,000 ERROR root: all is lost"
BREAKS = ("\n", "\r\n", "\x0b", "\x85", "\u2028", "\x1b[2K\x1b[1A")
SCRIPT = """
import logging, sys
from gradio.routes import App
from lightning_demo import cli
from lightning_demo.engine import build
from tests.web.fakes import FakeEngine

create = App.create_app  # as in tests/web/conftest.py
App.create_app = staticmethod(lambda *a, **o: create(*a, **o) if "app_kwargs" in o else None)
build.build_engine = lambda *arguments, **options: FakeEngine()
code = cli.main(["--verbose", "serve", "--port", "0", "--stage"])
logging.debug("whatever is said is printed")
sys.exit(code)
"""


def use(url: str, said: list[str]) -> list[str]:
    """Does what opens something, rightly and wrongly; returns further secrets: cookies, tokens."""
    given: list[str] = []
    with httpx.Client(base_url=url, timeout=30) as client:
        for password in (SECRETS["wrong login"], SECRETS["login"]):
            answer = client.post("/login", data={"username": "ada", "password": password})
            said.append(answer.text)
        cookies = {c.name: str(c.value) for c in client.cookies.jar}
        given += cookies.values()
        cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
        said += [client.get(path).text for path in ("/", "/config", "/metrics", "/healthz")]
        said.append(client.post("/picture", json={"prompt": "poison"}).text)
        said.append(client.post("/picture", content=b"{").text)
    for key in (SECRETS["key"], SECRETS["wrong key"]):
        for way in (f"Bearer {key}", "Basic " + b64encode(f"user:{key}".encode()).decode()):
            body = {"prompt": "poison"}
            headers = {"Authorization": way}
            images = f"{url}/v1/images/generations"
            said.append(httpx.post(images, json=body, headers=headers, timeout=60).text)
        said.append(httpx.get(f"{url}/v1/models", params={"key": key}, timeout=60).text)
        with pytest.raises(WebSocketException), connect(f"ws{url[4:]}/live?token={key}"):
            pass
    for password in (SECRETS["wrong presenter"], SECRETS["presenter"]):
        with connect(f"ws{url[4:]}/live", additional_headers={"Cookie": cookie}) as connection:
            tab = Tab(connection)
            tab.say({"sequence": 0, "present": {"password": password}})
            wall = tab.until(lambda m: m["type"] == "wall")[-1]
            if wall.get("token"):
                given.append(wall["token"])
            tab.ask(1, "poison")
            said.append(json.dumps(tab.error()))
    return given


def forge(url: str, said: list[str]) -> None:
    """Sends what would look like a line of the log, wherever a text can be sent."""
    key = {"Authorization": f"Bearer {SECRETS['key']}"}
    with httpx.Client(base_url=url, timeout=30) as client:
        for line in (f"a{each}{FORGED}" for each in BREAKS):
            for body in (
                {"prompt": line},
                {"prompt": f"{line} poison", line: line},
                {"prompt": "poison", "style": line},
                {"model": line, "prompt": "poison", "size": line},
            ):
                for path in ("/picture", "/v1/images/generations", "/v1/pictures", "/login"):
                    said.append(client.post(path, json=body, headers=key).text)
            said.append(client.post("/login", data={"username": line, "password": line}).text)
            said.append(client.get("/files/" + quote(line), headers=key).text)
            said.append(client.get("/", params={line: line}).text)
            said.append(client.get("/v1/models/" + quote(line), headers=key).text)
            wrong = {"Authorization": b"Bearer " + line.replace("\n", "\t").encode()}
            with contextlib.suppress(httpx.HTTPError):  # some are no header at all
                said.append(client.get("/v1/models", headers=wrong).text)
    with socket.create_connection(urlsplit(url).netloc.split(":")) as raw:
        raw.sendall(f"GET /{FORGED} HTTP/1.1\nX: {FORGED}\n\n{FORGED}\n".encode())
        raw.recv(1000)


class Told(NamedTuple):
    """What has left a server, in all."""

    printed: str  # its log
    said: list[str]  # its answers
    given: list[str]  # cookies and tokens, which only the answers may have


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """Of one whose every door somebody has tried."""
    keys = tmp_path_factory.mktemp("keys") / "keys"
    keys.write_text(f"alice {SECRETS['key']}\n")
    environment = {
        "HF_TOKEN": SECRETS["hub"],
        "LIGHTNING_FALLBACK_KEY": SECRETS["fallback"],
        "LIGHTNING_AUTH": f"ada:{SECRETS['login']}",
        "LIGHTNING_PRESENTER_PASSWORD": SECRETS["presenter"],
        "LIGHTNING_API_KEYS": str(keys),
    }
    said: list[str] = []
    command = [sys.executable, "-c", SCRIPT]
    with tempfile.TemporaryFile("w+") as log:
        with ForkedPopen(command, stdout=subprocess.PIPE, stderr=log, env=environment) as child:
            try:
                assert child.stdout is not None
                line = child.stdout.readline()
                found = re.fullmatch(r"Open (http://127\.0\.0\.1:\d+)/\n", line)
                log.seek(0)
                assert found, log.read()
                given = use(found[1], said)
                forge(found[1], said)
                child.terminate()
                said.append(child.stdout.read())
                assert child.wait(30) == 0
            finally:
                child.kill()
        log.seek(0)
        return Told(log.read(), said, given)


def test_no_secret_is_printed_however_verbose(told: Told) -> None:
    assert "ValueError: secret" in told.printed, "the log has what a client is not told"
    assert "DEBUG root: whatever is said is printed" in told.printed
    assert len(told.given) >= 2
    for text in (told.printed, *told.said):
        for name, secret in SECRETS.items():
            assert secret not in text, name
            assert b64encode(f"user:{secret}".encode()).decode() not in text, name
    assert not any(secret in told.printed for secret in told.given), "a cookie or a token"
    assert not any("/home/me/key" in text for text in told.said)


def test_no_client_writes_lines_of_the_log(told: Told) -> None:
    # `splitlines` breaks wherever any program that shows the log might.
    lines = [line.lstrip() for line in told.printed.splitlines()]
    assert lines and not [line for line in lines if line.startswith(FORGED[:10])]
    assert "\x1b" not in told.printed
