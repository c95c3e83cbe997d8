"""What happened in the last seconds is forgotten then."""

from __future__ import annotations

from lightning_demo.engine.recent import EVENTS, SECONDS, Recent


def test_events_are_forgotten_after_a_while() -> None:
    now = [100.0]
    recent = Recent(lambda: now[0])
    recent.add("rows", 3)
    now[0] += SECONDS - 1
    recent.add("rows", 4)
    recent.add("wait", 0.5)
    assert recent.values() == {"rows": [3, 4], "wait": [0.5]}
    now[0] += 2
    assert recent.values() == {"rows": [4], "wait": [0.5]}
    assert recent.values()["never"] == []


def test_the_first_event_makes_no_rate() -> None:
    now = [100.0]
    recent = Recent(lambda: now[0])
    assert recent.seconds() == 1
    now[0] += 4
    assert recent.seconds() == 4
    now[0] += 100
    assert recent.seconds() == SECONDS


def test_of_very_many_events_the_newest_are_kept() -> None:
    recent = Recent(lambda: 0.0)
    for value in range(EVENTS + 5):
        recent.add("rows", value)
    rows = recent.values()["rows"]
    assert (len(rows), rows[0], rows[-1]) == (EVENTS, 5, EVENTS + 4)
