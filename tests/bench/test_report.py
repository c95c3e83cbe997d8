"""Benchmark figures: how they are computed from what was seen, and the shape of the output."""

from __future__ import annotations

import json

import pytest

from lightning_demo.bench import report
from lightning_demo.bench.typing_trace import CHARACTERS, Shown, Typed, score, trace


def test_percentiles():
    assert report.p50_p95(list(range(100))) == {"p50": 50, "p95": 95}
    assert report.p50_p95([3.0]) == {"p50": 3.0, "p95": 3.0}


def test_a_table_lines_up():
    text = report.table(["", "ms"], [["one", "1"], ["twenty", "20"]])
    assert text.splitlines() == ["        ms", "------  --", "one      1", "twenty  20"]


def test_the_result_is_the_last_line(capsys: pytest.CaptureFixture[str]):
    report.finish({"benchmark": "x", **report.environment()})
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {"benchmark", "machine", "python", "packages", "commit"} <= last.keys()


def test_a_trace_types_forty_characters_with_a_seed_of_its_own():
    first, second = trace(0), trace(1)
    assert [len(text) for text in first.texts] == list(range(1, CHARACTERS + 1))
    assert first.seed != second.seed and first.texts[-1] != second.texts[-1]


def test_scoring_what_was_seen():
    typed = Typed(
        keys=(0.0, 0.1, 0.2),
        shown=(
            Shown(0.05, 0, False),
            Shown(0.15, 0, True),  # late: key 1 had been pressed
            Shown(0.25, 2, False),
            Shown(0.30, 2, True),
        ),
    )
    values = score([typed])
    assert values["last_key_to_final_ms"]["p50"] == pytest.approx(100)
    # keys 0, 1 and 2 were first answered after 50, 150 and 50 ms
    assert values["first_paint_ms"] == {"p50": pytest.approx(50), "p95": pytest.approx(150)}
    assert values["pictures_while_typing"] == 1
