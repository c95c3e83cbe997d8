"""Where pictures may be decoded beside steps; `tests/gpu` has the stream of a GPU."""

from __future__ import annotations

from typing import Any

from lightning_demo.model.sampling.sampler import Sampler


def test_threads_that_want_the_same_cores_take_turns(components: Any, monkeypatch):
    sampler = Sampler(components)
    for cores, beside in ((1, False), (2, True), (None, False)):
        monkeypatch.setattr("os.cpu_count", lambda cores=cores: cores)
        assert sampler.decodes_beside is beside
