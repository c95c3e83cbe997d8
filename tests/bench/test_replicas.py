"""`bench replicas` in its smallest form: real servers, one of them with its engine elsewhere."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from lightning_demo.bench import many, replicas
from lightning_demo.bench.typists import Typist, steady_typist
from lightning_demo.cli import main


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("forked_servers")
def test_it_compares_an_engine_elsewhere_with_one_here(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    def short(number: int) -> Typist:
        """Its last two keys, at once."""
        typist = steady_typist(number)
        keys = tuple(replace(key, at=0.2 * n) for n, key in enumerate(typist.keys[-2:]))
        return replace(typist, keys=keys)

    monkeypatch.setattr(replicas, "steady_typist", short)
    monkeypatch.setattr(replicas, "SETTLE_SECONDS", 0.0)
    monkeypatch.setattr(many, "PATIENCE", 200.0)  # a busy machine loses nothing
    small = ["--rounds", "1", "--users", "2", "--seconds", "1", "--pictures", "1"]
    assert main(["bench", "replicas", "--sides", "local", "process", *small]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert set(found["sides"]) == {"local", "process"}
    for side in found["sides"].values():
        assert side["first_paint_ms"]["p50"] > 0 and side["pictures_per_second"] > 0
        assert side["crowd_lost_finals"] == 0
    assert found["process_throughput"] > 0 and "ray_throughput" not in found
