"""`bench soak`: its arithmetic. That it works: test_at_servers.py."""

from __future__ import annotations

import pytest

from lightning_demo.bench import soak


def test_a_slope_is_that_of_the_nearest_line() -> None:
    samples = [{"seconds": 36.0 * n, "memory_mib": 100 + n + (-1) ** n} for n in range(50)]
    assert soak.slope(samples, "memory_mib") == pytest.approx(100, abs=1)
    assert soak.slope(samples[:2], "memory_mib") is None
