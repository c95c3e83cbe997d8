"""What is wrong with `--engine ray`, said before anything is loaded; no cluster is started."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator

import pytest

from lightning_demo.cli import main
from lightning_demo.engine.ray.cluster import INSTALL, shared
from lightning_demo.engine.ray.registry import REPLICA_SECONDS, WEB_SECONDS, Plan, Record, Registry
from lightning_demo.engine.ray.scaling import WANTED_SECONDS, wanted
from lightning_demo.errors import InvalidSetting
from lightning_demo.settings import Settings, replica_range

RAY = ["serve", "--port", "0", "--engine", "ray"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--replicas", "0"], "replicas (LIGHTNING_REPLICAS): from 1 to 64"),
        (["--replicas", "65"], "replicas (LIGHTNING_REPLICAS): from 1 to 64"),
        (["--replicas", "4-1"], "replicas (LIGHTNING_REPLICAS): from 1 to 64"),
        (["--replicas", "two"], "not 'two'"),
        (["--ray-address", "ray://head:1"], "write HOST:PORT"),
        (["--ray-address", "head"], "write HOST:PORT"),
        (["--engine", "local", "--replicas", "2"], "are for --engine ray"),
        (["--device", "cuda:1"], "each replica gets a GPU of its own"),
        (["--engine", "dask"], "must be one of local, process, ray"),
    ],
)
def test_settings_that_are_none(
    options: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*RAY, *options]) == 2
    assert words in capsys.readouterr().err


def test_without_the_package(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(RAY) == 2
    assert INSTALL in capsys.readouterr().err


@pytest.fixture
def stranger() -> Iterator[int]:
    """A port at which something answers that is no cluster."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            while True:
                try:
                    with server.accept()[0] as connection:
                        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                except OSError:
                    return

        threading.Thread(target=answer, daemon=True).start()
        yield server.getsockname()[1]


def test_addresses_without_a_cluster(stranger: int, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("ray")
    assert main([*RAY, "--ray-address", "127.0.0.1:9"]) == 2
    assert "ray_address: nothing answers at 127.0.0.1:9" in capsys.readouterr().err
    assert main([*RAY, "--ray-address", f"127.0.0.1:{stranger}"]) == 2
    assert f"ray_address: what answers at 127.0.0.1:{stranger} is no" in capsys.readouterr().err


def test_ranges() -> None:
    assert replica_range("4") == (4, 4) and replica_range(" 1-4 ") == (1, 4)
    for text in ("", "-1", "1-", "1-2-3", "1.5"):
        with pytest.raises(InvalidSetting):
            replica_range(text)


def test_no_secret_goes_to_a_replica() -> None:
    settings = Settings(engine="ray", auth="me:hidden", stage=True, presenter_password="hidden")  # noqa: S106
    told = shared(settings)
    assert "hidden" not in repr(told)
    assert Settings.from_environment(told).engine == "ray"


def test_as_many_replicas_as_it_takes() -> None:
    assert wanted(3, {}) == 3, "nobody has said anything yet"
    assert wanted(1, {"a": 2 * WANTED_SECONDS}) == 2
    assert wanted(2, {"a": 100.0, "b": 100.0}) == 4, "at most twice as many at a time"
    assert wanted(2, {"a": 0.3, "b": 0.3}) == 2
    assert wanted(2, {"a": 0.0, "b": 0.0}) == 1


PLAN = Plan("one", "sk-key", "fingerprint", "1", {})


def record(name: str) -> Record:
    return Record(name, "http://127.0.0.1:1", "here", 1, "one")


def test_the_registry_forgets_who_says_nothing(run) -> None:
    now = 0.0
    registry = Registry(lambda: now)

    async def check() -> None:
        nonlocal now
        assert await registry.offer("web", PLAN) is PLAN
        await registry.announce(record("a"))
        now = REPLICA_SECONDS - 1
        await registry.announce(record("b"))
        assert [r.name for r in (await registry.look("web", PLAN))[0]] == ["a", "b"]
        now = REPLICA_SECONDS + 1
        assert [r.name for r in (await registry.look("web", PLAN))[0]] == ["b"]
        await registry.leave("b")
        assert await registry.records() == []

    run(check())


def test_a_second_web_process_goes_by_what_is_there(run) -> None:
    now = 0.0
    registry = Registry(lambda: now)
    other = Plan("two", "sk-other", "fingerprint", "1", {})

    async def check() -> None:
        nonlocal now
        await registry.offer("first", PLAN)
        assert await registry.offer("second", other) is PLAN
        assert await registry.part("first") == 1
        assert await registry.part("second") == 0
        now = WEB_SECONDS + 1
        assert await registry.offer("third", other) is other, "nobody is left of the first"
        assert await registry.offer("", PLAN, instead=True) is PLAN
        fresh = Registry(lambda: now)
        assert await fresh.look("third", other) == ([], other), "started anew, it is told"

    run(check())
