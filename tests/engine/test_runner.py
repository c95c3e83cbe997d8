"""What the runner tells of the calls that it makes."""

from __future__ import annotations

from typing import Any

from lightning_demo.engine.runner import SamplerRunner


def test_what_encoding_takes_is_told_without_the_drawing_of_noise():
    seconds = iter([0.0, 2.0, 7.0])

    class Sampler:
        def prepare(self, requests: Any, *, asked: bool) -> int:
            return len(requests)

        def begin(self, request: Any) -> str:
            next(seconds)
            return request

    runner = SamplerRunner(Sampler(), clock=lambda: next(seconds))  # type: ignore[arg-type]
    assert runner.begin(["a"]) == (["a"], 1, 2.0)
