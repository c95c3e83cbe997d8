"""Who may use the APIs."""

from __future__ import annotations

import hmac
import math
import os
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.requests import Request

from lightning_demo.errors import InvalidSetting
from lightning_demo.settings import Settings
from lightning_demo.web import painting
from lightning_demo.web.api.access import Access, KeyRequired, NotAllowed, given_key
from lightning_demo.web.api.replicate_model import VERSIONS

from ..conftest import Running
from ..fakes import FakeEngine
from .vendors import PAINTERS, post

ALICE, BOB = "sk-alice-0123456789", "sk-bob-0123456789ab"


def connection(address: str = "127.0.0.1", **headers: str) -> Request:
    given = {"host": "127.0.0.1:7860", **{k.replace("_", "-"): v for k, v in headers.items()}}
    raw = [(name.encode(), value.encode()) for name, value in given.items()]
    return Request({"type": "http", "client": (address, 1), "headers": raw})


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.write_text(f"# who\nalice {ALICE} per_second=2 at_once=8\n\nbob {BOB}\n")
    return path


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {ALICE}"},
        {"authorization": f"Key {ALICE}"},
        {"authorization": f"Token {ALICE}"},
        {"authorization": "Basic " + b64encode(f"user:{ALICE}".encode()).decode()},
        {"x-api-key": ALICE},
    ],
)
def test_keys_come_in_the_ways_of_all_vendors(headers: dict[str, str]) -> None:
    assert given_key(connection(**headers)) == ALICE


def test_a_key_is_its_holders(keys: Path) -> None:
    access = Access(Settings(api_keys=str(keys)))
    alice = access.caller(connection(authorization=f"Bearer {ALICE}"))
    assert (alice.client, alice.per_second, alice.at_once) == (("key", "alice"), 2.0, 8)
    assert access.caller(connection("203.0.113.1", x_api_key=BOB)).per_second == math.inf
    with pytest.raises(KeyRequired):
        access.caller(connection())
    for wrong in (ALICE[:-1], ALICE + "x", "ключ", "\udc80"):
        with pytest.raises(NotAllowed):
            access.caller(_keyed(wrong))


def _keyed(key: str) -> Request:
    raw = [(b"authorization", f"Bearer {key}".encode("utf-8", "surrogateescape"))]
    return Request({"type": "http", "client": ("127.0.0.1", 1), "headers": raw})


def test_keys_are_given_and_taken_back_without_a_restart(keys: Path) -> None:
    access = Access(Settings(api_keys=str(keys)))
    keys.write_text(f"bob {BOB}\n")
    with pytest.raises(NotAllowed):
        access.caller(connection(x_api_key=ALICE))
    keys.write_text("carol too-short\n")  # a slip changes nothing
    assert access.caller(connection(x_api_key=BOB)).name == "bob"
    os.remove(keys)
    assert access.caller(connection(x_api_key=BOB)).name == "bob"


@pytest.mark.parametrize(
    "line",
    ["alice", "alice short", f"alice {ALICE} at_once=0", f"alice {ALICE} per_second=nan",
     f"alice {ALICE} speed=3", f"alice {ALICE}\nalice {BOB}"],
)  # fmt: skip
def test_a_file_that_is_not_as_it_must_be_is_told_by_its_line(keys: Path, line: str) -> None:
    keys.write_text(line)
    with pytest.raises(InvalidSetting, match=r"^api_keys: .*line \d: ") as caught:
        Access(Settings(api_keys=str(keys)))
    assert ALICE not in caught.value.message
    with pytest.raises(InvalidSetting, match="No such file"):
        Access(Settings(api_keys=str(keys) + "x"))


def test_a_key_is_one_holders_only(keys: Path) -> None:
    """The first of them would be refused, or counted as the other."""
    keys.write_text(f"alice {ALICE} per_second=2\n\nbob {ALICE}\n")
    with pytest.raises(InvalidSetting, match="line 3: bob has the same key as alice in line 1;"):
        Access(Settings(api_keys=str(keys)))


def test_a_file_may_begin_with_a_byte_order_mark(keys: Path) -> None:
    keys.write_text(f"# who\nalice {ALICE}\n", encoding="utf-8-sig")
    access = Access(Settings(api_keys=str(keys)))
    assert access.caller(connection(x_api_key=ALICE)).name == "alice"
    keys.write_text(f"bob {BOB}\n", encoding="utf-8-sig")
    assert access.caller(connection(x_api_key=BOB)).name == "bob"


def test_without_keys_only_this_machine_may_ask() -> None:
    access = Access(Settings())
    assert access.caller(connection()).per_second == math.inf
    assert access.caller(connection("::1", host="localhost:1")).name == "::1"
    for stranger in (
        connection("203.0.113.1"),
        connection(x_forwarded_for="203.0.113.1"),
        connection(forwarded="for=203.0.113.1"),
        connection(host="demo.example.org"),
    ):
        with pytest.raises(NotAllowed, match="--api-keys FILE or --open-api"):
            access.caller(stranger)
        assert Access(Settings(open_api=True)).caller(stranger).per_second < math.inf
    # Through a tunnel or a proxy everybody comes from this machine, past the page's login.
    for public in (Settings(share=True), Settings(auth="me:secret")):
        with pytest.raises(NotAllowed):
            Access(public).caller(connection())


def test_a_key_is_compared_with_all_in_the_time_of_one_comparison(
    keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    access, compared = Access(Settings(api_keys=str(keys))), []
    compare = hmac.compare_digest

    def watched(known: bytes, asked: bytes) -> bool:
        compared.append((len(known), len(asked)))
        return compare(known, asked)

    monkeypatch.setattr(hmac, "compare_digest", watched)
    for key in (ALICE, BOB):
        access.caller(connection(x_api_key=key))
    with pytest.raises(NotAllowed):
        access.caller(connection(x_api_key="x" * 1000))
    # Hashes of one length, whatever was sent, and no look ends at the one that fits.
    assert compared == [(64, 64)] * 6


def test_a_key_that_is_taken_back_and_one_that_asks_too_often(
    start: Callable[..., Running],
    keys: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(painting, "BURST", 1)
    keys.write_text(f"alice {ALICE} per_second=0.001\nbob {BOB}\n")
    running = start(FakeEngine(), api_keys=str(keys))

    def ask(key: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {key}"}
        return httpx.post(f"{running.url}/v1/pictures", json={"prompt": "a"}, headers=headers)

    with caplog.at_level("INFO", logger="lightning_demo"):
        assert ask(ALICE).status_code == 200
        often = ask(ALICE)
        assert (often.status_code, 900 < int(often.headers["Retry-After"]) <= 1000) == (429, True)
        assert [ask(BOB).status_code for _ in range(3)] == [200] * 3, "a limit is of one key"
        keys.write_text(f"alice {ALICE}\n")
        assert ask(BOB).status_code == 403, "at once, and without a restart"
    assert "pictures painted for alice: 1" in caplog.messages
    assert "alice is turned away, beyond the limits of the key" in caplog.messages
    assert caplog.messages.count("pictures painted for bob: 1") == 3
    assert ALICE not in caplog.text and BOB not in caplog.text


def test_more_pictures_than_a_key_may_ever_have_are_refused_by_the_fields_name(
    start: Callable[..., Running], keys: Path
) -> None:
    """To try again in a moment would never go well."""
    keys.write_text(f"alice {ALICE} at_once=2\n")
    running = start(FakeEngine(), api_keys=str(keys))
    with httpx.Client(base_url=running.url, headers={"Authorization": f"Bearer {ALICE}"}) as ask:
        for name, fields, told in (
            ("native", {"num_images": 3}, "num_images"),
            ("replicate", {"num_outputs": 3}, "input.num_outputs"),
            ("cog", {"num_outputs": 3}, "input.num_outputs"),
            ("fal run", {"num_images": 3}, "num_images"),
            ("fal queue", {"num_images": 3}, "num_images"),
            ("openai", {"n": 3}, "n"),
            ("a1111", {"batch_size": 3}, "batch_size"),
            ("a1111", {"batch_size": 2, "n_iter": 2}, "n_iter"),
            ("synexa", {"num_outputs": 3}, "input.num_outputs"),
        ):
            vendor = PAINTERS[name]
            answer = post(ask, vendor, vendor.asking(**fields))
            assert answer.status_code == vendor.unprocessable, answer.text
            words = f"{told}: at most 2 pictures may be asked for at once with this key."
            assert words in vendor.words(answer.json())
        assert running.engine.requests == []
        assert ask.get("/v1/predictions").json()["results"] == []
        vendor = PAINTERS["native"]
        assert post(ask, vendor, vendor.asking(num_images=2)).status_code == 200


def test_usage_is_counted_by_name_and_refusals_too(
    start: Callable[..., Running], keys: Path
) -> None:
    keys.write_text(f"alice {ALICE} at_once=2\nbob {BOB}\n")
    running = start(FakeEngine(), api_keys=str(keys))

    def ask(key: str, count: int) -> int:
        fields = {"prompt": "a", "num_images": count, "num_inference_steps": 8}
        headers = {"X-Api-Key": key}
        return httpx.post(f"{running.url}/v1/pictures", json=fields, headers=headers).status_code

    assert [ask(ALICE, 2), ask(ALICE, 3), ask(BOB, 1), ask("wrong", 1)] == [200, 422, 200, 403]
    job = {"version": VERSIONS[0], "input": {"prompt": "a", "num_outputs": 4}}
    headers = {"Authorization": f"Token {ALICE}"}
    refused = httpx.post(f"{running.url}/v1/predictions", json=job, headers=headers)
    assert refused.status_code == 422
    # The page's own download is no program's.
    assert httpx.post(f"{running.url}/picture", json={"prompt": "b"}).status_code == 200
    text = httpx.get(f"{running.url}/metrics").text
    found = {
        (sample.name.removeprefix("lightning_key_"), sample.labels["key"]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if "key" in sample.labels and not sample.name.endswith("_created")
    }
    assert found == {
        ("pictures_total", "alice"): 2,
        ("steps_total", "alice"): 16,
        ("refused_total", "alice"): 2,
        ("pictures_total", "bob"): 1,
        ("steps_total", "bob"): 8,
        ("refused_total", "no key"): 1,
    }
    assert ALICE not in text and BOB not in text
    assert [work.origin for work in running.engine.works].count("page") == 1


def test_over_http(start: Callable[..., Running], keys: Path) -> None:
    running = start(FakeEngine(), api_keys=str(keys))
    with httpx.Client(base_url=running.url) as client:
        refused = client.post("/v1/pictures", json={"prompt": "a"})
        assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, "Bearer")
        client.headers["Authorization"] = "Bearer nobody-knows-this-key"
        assert client.get("/v1/models").status_code == 403
        client.headers["Authorization"] = f"Bearer {BOB}"
        made = client.post("/v1/pictures", json={"prompt": "a", "num_images": 2}).json()
        assert client.get("/v1/usage").json()["pictures"] == 2
        # A picture's address is its own key, as with every vendor.
        assert httpx.get(made["pictures"][0]["url"]).status_code == 200
        client.headers["Authorization"] = f"Bearer {ALICE}"
        assert client.get("/v1/usage").json()["pictures"] == 0
    assert {work.client for work in running.engine.works} == {("key", "bob")}
