"""`bench soak`, for some seconds: that it works, and what is left of all who came."""

from __future__ import annotations

import json
import sys

import pytest

from lightning_demo.bench import soak
from lightning_demo.cli import main


@pytest.mark.usefixtures("forked_servers")
@pytest.mark.skipif(sys.platform != "linux", reason="nothing tells what a process has open")
def test_of_a_short_soak_no_descriptor_and_no_thread_is_left(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = main(["bench", "soak", "--minutes", "0.15", "--users", "4", "--threads", "1"])
    *table, document = capsys.readouterr().out.splitlines()
    print(document)
    result = json.loads(document)
    assert code == 0
    assert result["happened"]["pictures"] > 0 and result["happened"]["visits"] >= 8
    assert len(result["samples"]) >= 3
    # Threads that wait for work come and go; a leak would be one for each visit or request.
    assert result["left"]["descriptors"] <= 2
    assert result["left"]["threads"] <= 2
    assert table[0].split() == ["warm", "at", "the", "end", "an", "hour", "%", "an", "hour"]


def test_a_slope_is_that_of_the_nearest_line() -> None:
    samples = [{"seconds": 36.0 * n, "memory_mib": 100 + n + (-1) ** n} for n in range(50)]
    assert soak.slope(samples, "memory_mib") == pytest.approx(100, abs=1)
    assert soak.slope(samples[:2], "memory_mib") is None
