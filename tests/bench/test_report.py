"""Benchmark figures: how they are computed from what was seen, and the shape of the output."""

from __future__ import annotations

import argparse
import json

import pytest

from lightning_demo.bench import report


def test_percentiles_are_values_that_were_measured():
    assert report.p50_p95(list(range(100))) == {"p50": 50, "p95": 95}
    assert report.p50_p95([1.0, 3.0]) == {"p50": 3.0, "p95": 3.0}
    assert report.p50_p95([3.0]) == {"p50": 3.0, "p95": 3.0}


def test_a_table_lines_up():
    text = report.table(["", "ms"], [["one", "1"], ["twenty", "20"]])
    assert text.splitlines() == ["        ms", "------  --", "one      1", "twenty  20"]


def test_a_document_names_its_machine():
    document = json.loads(json.dumps(report.environment()))
    assert {"machine", "python", "packages", "commit"} <= document.keys()


@pytest.mark.parametrize("text", ["0", "9", "x", "1.5"])
def test_whole_numbers_stay_in_their_range(text: str):
    assert report.whole(1, 8)("8") == 8
    with pytest.raises(argparse.ArgumentTypeError, match="a whole number from 1 to 8"):
        report.whole(1, 8)(text)
