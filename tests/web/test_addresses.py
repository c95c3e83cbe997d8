"""Addresses, and how much each may have."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given
from starlette.requests import HTTPConnection

from lightning_demo.web import addresses
from lightning_demo.web.addresses import Allowance, address_of, normal


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:aaaa::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:bbbb::9%eth0", "2001:db8:1:2::/64"),
        ("::1", "::1"),
        ("", ""),
        ("testclient", "testclient"),
        ("x" * 1000, "x" * 64),
    ],
)
def test_one_spelling_for_each(host: str, address: str) -> None:
    assert normal(host) == address
    scope = {"type": "http", "headers": [], "client": (host, 1)}
    assert address_of(HTTPConnection(scope)) == address


def test_a_connection_without_an_address() -> None:
    assert address_of(HTTPConnection({"type": "http", "headers": [], "client": None})) == ""


def test_so_many_at_once_and_then_so_many_a_second() -> None:
    allowance = Allowance(3, 2.0)
    assert [allowance.take("a", 0.0) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]
    assert allowance.take("b", 0.0) == 0.0, "another address has its own"
    assert allowance.take("a", 0.25) == 0.25
    assert allowance.take("a", 0.5) == 0.0
    assert [allowance.take("a", 1000.0) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]


def test_several_are_taken_together_or_not_at_all() -> None:
    allowance = Allowance(3, 2.0)
    assert allowance.take("a", 0.0, 4) == 0.5
    assert allowance.take("a", 0.0, 3) == 0.0, "what was refused has cost nothing"
    assert allowance.take("a", 0.5, 2) == 0.5


@given(st.lists(st.floats(0, 3), min_size=1, max_size=60))
def test_no_pattern_gets_more(pauses: list[float]) -> None:
    allowance, now, taken = Allowance(3, 2.0), 0.0, 0
    for pause in pauses:
        now += pause
        wait = allowance.take("a", now)
        taken += not wait
        assert 0.0 <= wait <= 0.5
    assert taken <= 3 + 2.0 * now + 1e-6


def test_it_remembers_only_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "MAX_ADDRESSES", 10)
    allowance = Allowance(1, 1.0)
    for number in range(100):
        assert allowance.take(str(number), 0.0) == 0.0
    assert len(allowance._left) == 10
    assert allowance.take("99", 0.0) > 0, "who was heard of lately is remembered"
