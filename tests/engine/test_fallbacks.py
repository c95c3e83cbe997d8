"""`--fallback`: addresses that are none, strangers, oneself, other versions and other weights."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from lightning_demo import __version__
from lightning_demo.cli import build_parser, main
from lightning_demo.commands.options import settings_from
from lightning_demo.engine.base import Work, final_frame
from lightning_demo.engine.build import about, expected
from lightning_demo.engine.fallbacks import is_own, look_at_fallbacks, with_fallbacks
from lightning_demo.engine.link import Link
from lightning_demo.engine.metrics import Metrics
from lightning_demo.engine.remote import RemoteEngine
from lightning_demo.engine.wire_fields import instance
from lightning_demo.errors import EngineUnavailable, NotTaken
from lightning_demo.model.weights.checkpoints import MINIATURE, SDXL_LIGHTNING
from lightning_demo.settings import Settings, fallback_key

from ..web.fakes import STATUS, FakeEngine
from .served import Served, ready, until

MINE = about(MINIATURE)
TOLD = {
    "version": __version__,
    "instance": "another",
    "fingerprint": MINE.fingerprint,
    "state": "ready",
    "waiting": 0,
    "yielding": 0,
    "model": "miniature",
    "title": "Miniature",
    "device": "cpu",
    "detail": "",
    "loading_model": "",
    "loading_title": "",
    "tier": "",
}
KEY = "sk-secret-0123456789"


@contextmanager
def answering(content: Any, status: int = 200, pause: float = 0.0) -> Iterator[str]:
    """A server that answers everything alike, byte by byte if there is a pause."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", "http://127.0.0.1:9/")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            try:
                for byte in range(len(body)) if pause else ():
                    self.wfile.write(body[byte : byte + 1])
                    time.sleep(pause)
                if not pause:
                    self.wfile.write(body)
            except OSError:
                pass

        do_POST = do_GET

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    "url",
    [
        "demo.example.org",
        "ftp://example.org",
        "file:///etc/passwd",
        "http://",
        "https://user:password@example.org",
        "http://example.org?x=1",
        "http://example.org:99999",
        "http://[::1",
        "http://exa mple.org",
    ],
)
def test_an_address_that_is_none(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--port", "0", "--fallback", url]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: fallback (LIGHTNING_FALLBACK): write the address")
    assert "password@" not in said


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [
        (b"<html>Welcome to nginx!</html>", 200, "not as a server of this demo"),
        (b"", 204, "not as a server of this demo"),
        (b"", 302, "not as a server of this demo"),
        (b"Not Found", 404, "not as a server of this demo"),
        ({"detail": "Not Found"}, 404, "not as a server of this demo"),
        ([], 200, "not as a server of this demo"),
        ({**TOLD, "state": "excellent"}, 200, "not as a server of this demo"),
        (b"x" * (2**20 + 1), 200, "not as a server of this demo"),
        ({**TOLD, "version": "0.0.9"}, 200, f"of version 0.0.9, this server of {__version__}"),
        ({**TOLD, "fingerprint": "abc", "title": "Another"}, 200, "other weights (Another, abc)"),
        ({**TOLD, "instance": instance()}, 200, "very server; name another"),
        ({"detail": "Send an API key."}, 401, "refuses this server: Send an API key."),
    ],
)
def test_what_must_not_stand_by_ends_the_start(content: Any, status: int, words: str) -> None:
    with answering(content, status) as url:
        (looked,) = look_at_fallbacks(Settings(port=0, fallback=url), MINE)
        assert looked.unfit and words in looked.found


def test_the_start_ends_with_a_sentence_and_the_doctor_says_it_too(
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = ["--model", "miniature", "--port", "0"]
    with answering(b"hello") as url:
        assert main(["serve", *model, "--fallback", url]) == 2
        assert "answers, but not as a server of this demo" in capsys.readouterr().err
        assert main(["doctor", *model, "--fallback", url]) == 1
        assert f"!!  fallback   {url}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("url", "host", "port", "own"),
    [
        ("http://127.0.0.1:7860", "127.0.0.1", 7860, True),
        ("http://localhost:7860/path", "0.0.0.0", 7860, True),  # noqa: S104
        ("http://[::1]:7860", "127.0.0.1", 7860, True),
        ("http://127.0.0.1:7861", "127.0.0.1", 7860, False),
        ("https://demo.example.org", "0.0.0.0", 443, False),  # noqa: S104
        ("http://10.0.0.7", "10.0.0.7", 80, True),
        ("http://127.0.0.1:7860", "127.0.0.1", 0, False),
    ],
)
def test_ones_own_address_is_known_before_anybody_answers(
    url: str, host: str, port: int, own: bool
) -> None:
    assert is_own(url, Settings(host=host, port=port)) is own


def test_what_is_not_there_yet_may_come(run) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"  # bound, and not listening
        (looked,) = look_at_fallbacks(Settings(port=0, fallback=url), MINE)
    assert not looked.unfit and not looked.ready and "does not answer" in looked.found

    async def check() -> None:
        local = FakeEngine()
        settings = Settings(port=0, fallback=f"{url},http://127.0.0.1:9")
        engine = with_fallbacks(local, settings, STATUS, Metrics())
        status = engine.status()
        assert (status.engines, status.engines_ready, status.own_state) == (3, 1, "ready")
        await until(lambda: engine.status().engines_ready == 1)
        await engine.aclose()
        assert with_fallbacks(local, Settings(port=0), STATUS, Metrics()) is local

    run(check())


def test_options_and_variable_make_one_list(monkeypatch: pytest.MonkeyPatch) -> None:
    urls = ["http://a.example", "http://b.example"]
    options = [word for url in urls for word in ("--fallback", url)]
    assert settings_from(build_parser().parse_args(["serve", *options])).fallback == ",".join(urls)
    monkeypatch.setenv("LIGHTNING_FALLBACK", ", ".join(urls))
    settings = settings_from(build_parser().parse_args(["serve"]))
    assert settings.fallback == ", ".join(urls)
    monkeypatch.setenv("LIGHTNING_FALLBACK_KEY", f" {KEY}\n")
    assert fallback_key() == KEY
    assert KEY not in str(settings) + str(settings.to_environment())


def test_one_that_never_comes_to_an_end_is_left(run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lightning_demo.engine.link.STATUS_SECONDS", 0.3)

    async def check() -> None:
        with answering(TOLD, pause=0.05) as url:
            link = Link(url)
            with pytest.raises(EngineUnavailable, match="takes too long"):
                await link.status(MINE)
            await link.aclose()

    run(check())


def test_a_key_is_sent_and_never_told(run, tmp_path: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    keys = tmp_path / "keys"
    keys.write_text(f"us {KEY} server=1\n")

    async def check() -> None:
        with Served(FakeEngine(), api_keys=str(keys)).running() as served:
            engine = RemoteEngine(served.url, STATUS, KEY, poll_seconds=0.05)
            await ready(engine)
            request = replace(_request(), prompt="a key")
            assert (await final_frame(engine, Work(request))).final
            assert KEY not in repr(vars(engine))
            await engine.aclose()
            wrong = RemoteEngine(served.url, STATUS, "sk-wrong-0123456789", poll_seconds=0.05)
            await until(lambda: wrong.status().state == "failed")
            assert "refuses this server" in wrong.status().detail
            with pytest.raises(NotTaken, match="refuses"):
                await final_frame(wrong, Work(request))
            await wrong.aclose()

    run(check())
    assert KEY not in caplog.text and "sk-wrong" not in caplog.text


def test_a_stand_in_paints_there_so_it_is_loading(run) -> None:
    about_it = replace(STATUS, fingerprint="small", loading_model="miniature")

    async def check() -> None:
        with Served(FakeEngine(status=about_it)).running() as served:
            engine = RemoteEngine(served.url, STATUS, poll_seconds=0.05)
            await until(lambda: engine.status().detail != f"Asking {served.url}")
            assert engine.status().state == "loading"
            await engine.aclose()

    run(check())


def test_other_weights_have_another_fingerprint(tmp_path: Any) -> None:
    from lightning_demo.model.weights.fingerprint import fingerprint
    from lightning_demo.model.weights.lora_setting import Lora

    file = tmp_path / "ink.safetensors"
    file.write_bytes(b"a" * 10_000_000)
    found = {
        fingerprint(MINIATURE),
        fingerprint(SDXL_LIGHTNING),
        fingerprint(SDXL_LIGHTNING, fp8=True),
        fingerprint(MINIATURE, [Lora(file)]),
        fingerprint(MINIATURE, [Lora(file, 0.5)]),
    }
    file.write_bytes(b"a" * 5_000_000 + b"b" * 5_000_000)
    found.add(fingerprint(MINIATURE, [Lora(file)]))
    assert len(found) == 6
    assert fingerprint(MINIATURE) == expected(Settings(model="miniature")).fingerprint


def _request() -> Any:
    from lightning_demo.schemas import GenerationRequest

    return GenerationRequest.parse({"prompt": "a", "seed": 1}, STATUS.limits)
