"""Pages of others may use the APIs where they are allowed to, and nothing else."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from .conftest import Running
from .fakes import FakeEngine

FRIEND, STRANGER = "https://friend.example", "https://stranger.example"


@pytest.fixture
def client(start: Callable[..., Running]) -> httpx.Client:
    return httpx.Client(base_url=start(FakeEngine(), cors_origins=FRIEND).url)


def from_page(client: httpx.Client, origin: str, path: str = "/v1/pictures") -> httpx.Response:
    headers = {"Origin": origin, "Sec-Fetch-Site": "cross-site"}
    return client.post(path, json={"prompt": "a cat"}, headers=headers)


def test_an_allowed_page_asks_and_reads_the_answer(client: httpx.Client) -> None:
    asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key"}
    preflight = client.options("/v1/pictures", headers={"Origin": FRIEND, **asks})
    assert preflight.status_code == 200
    assert preflight.headers["Access-Control-Allow-Origin"] == FRIEND
    answer = from_page(client, FRIEND)
    assert answer.status_code == 200
    assert answer.headers.get_list("Access-Control-Allow-Origin") == [FRIEND]


def test_an_allowed_page_reads_what_is_said_in_headers(client: httpx.Client) -> None:
    for path, body, names in (
        ("/v1/pictures", {"prompt": "a"}, {"x-seed", "x-model", "x-warnings", "server-timing"}),
        ("/fal/run/fal-ai/fast-lightning-sdxl", {"prompt": "a"}, {"x-fal-request-id"}),
        ("/fal/run/fal-ai/fast-lightning-sdxl", {"prompt": "poison"}, {"x-fal-error-type"}),
        ("/hf", {"inputs": "a", "parameters": {"num_inference_steps": 3}}, {"x-hf-warning"}),
    ):
        headers = {"Origin": FRIEND, "Accept": "image/jpeg"}
        answer = client.post(path, json=body, headers=headers)
        assert names <= answer.headers.keys()
        shown = answer.headers["Access-Control-Expose-Headers"].lower().split(", ")
        ours = {name for name in answer.headers if name.startswith("x-")}
        assert names | ours - {"x-content-type-options"} <= set(shown)


def test_others_do_not(client: httpx.Client) -> None:
    refused = from_page(client, STRANGER)
    assert refused.status_code == 403
    assert "Access-Control-Allow-Origin" not in refused.headers
    for path in ("/picture", "/gradio_api/queue/join"):
        assert from_page(client, FRIEND, path).status_code == 403


@pytest.mark.parametrize("origin", [FRIEND, STRANGER])
def test_the_socket_is_for_no_page_but_the_demos(
    start: Callable[..., Running], origin: str
) -> None:
    """It also commands the wall of a talk."""
    running = start(FakeEngine(), cors_origins=FRIEND)
    with pytest.raises(InvalidStatus, match="403"), running.socket(origin=origin):
        pass
    with running.socket() as tab:  # a program
        tab.ask(1)
        assert tab.final(1)


def test_nobody_does_by_default(running: Running) -> None:
    with httpx.Client(base_url=running.url) as client:
        assert from_page(client, FRIEND).status_code == 403


def test_gradios_own_rules_let_nobody_in(start: Callable[..., Running]) -> None:
    """They would let every page read what a server answers that is not called localhost."""
    running = start(FakeEngine(), allowed_hosts="demo.example")
    headers = {"Host": "demo.example", "Origin": STRANGER}
    answer = httpx.get(f"{running.url}/healthz", headers=headers)
    assert answer.status_code == 200
    assert not [name for name in answer.headers if name.startswith("access-control-allow")]
