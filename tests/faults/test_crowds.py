"""Programs that ask for far too much at once: counted in answers and in calls of the model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from lightning_demo.web import painting as module
from lightning_demo.web.callers import AT_ONCE

from ..web.conftest import Running, wait_for
from ..web.fakes import FakeEngine

KEYS = {"alice": "sk-alice-0123456789abcdef", "bob": "sk-bob-0123456789abcdefgh"}
STEPS = 4


def done(asked: list[Future[httpx.Response]]) -> list[httpx.Response]:
    return [each.result() for each in asked if each.done()]


def test_of_a_hundred_posts_at_once_those_without_room_are_told_at_once(
    start: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_PICTURES", 10)
    running = start(FakeEngine(step_seconds=0))
    painting = running.server._service.painting
    running.engine.hold()  # whoever is answered before the release has waited for nobody
    with ThreadPoolExecutor(100) as pool, httpx.Client(timeout=60) as client:

        def ask(number: int) -> httpx.Response:
            address = {"X-Forwarded-For": f"203.0.113.{number}"}  # of a proxy here, believed
            body = {"prompt": "one of many"}
            return client.post(f"{running.url}/picture", json=body, headers=address)

        asked = [pool.submit(ask, number) for number in range(100)]
        wait_for(lambda: len(done(asked)) == 90)
        for answer in done(asked):
            assert answer.status_code == 503 and int(answer.headers["Retry-After"]) > 0
            assert answer.json()["detail"]
        assert painting._pictures.total() == 10
        running.engine.release()
        assert Counter(each.result().status_code for each in asked) == {503: 90, 200: 10}
    wait_for(lambda: not painting.busy)
    assert not painting._turns and running.engine.running == 0, "nothing is kept of them"


def test_one_keys_flood_is_refused_and_costs_another_key_one_step(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    keys = tmp_path / "keys"
    keys.write_text("".join(f"{name} {key}\n" for name, key in KEYS.items()))
    running = start(FakeEngine(step_seconds=0), api_keys=str(keys))
    engine, painting = running.engine, running.server._service.painting

    def ask(name: str) -> httpx.Response:
        fields = {"prompt": name, "num_inference_steps": STEPS, "seed": 1}
        headers = {"Authorization": f"Bearer {KEYS[name]}"}
        return client.post(f"{running.url}/v1/pictures", json=fields, headers=headers)

    engine.hold()
    with ThreadPoolExecutor(2 * AT_ONCE) as pool, httpx.Client(timeout=60) as client:
        flood = [pool.submit(ask, "alice") for _ in range(2 * AT_ONCE - 1)]
        wait_for(lambda: len(done(flood)) + painting._pictures.total() == len(flood))
        refused = done(flood)
        assert len(refused) >= len(flood) - AT_ONCE
        for answer in refused:
            assert answer.status_code == 429 and int(answer.headers["Retry-After"]) > 0
        other = pool.submit(ask, "bob")
        wait_for(lambda: engine.works[-1].request.prompt == "bob")
        before = len(engine.calls)  # the last of which runs
        engine.release()
        assert other.result().status_code == 200
        calls = engine.calls[before:]
        mine = [place for place, call in enumerate(calls) if "bob" in call]
        assert len(mine) == STEPS and mine[0] == 0 and mine[-1] <= 2 * (STEPS - 1)
        painted = [each.result().status_code for each in flood].count(200)
        assert painted == len(flood) - len(refused), "what has been taken is painted"
