"""Lists of pictures."""

from __future__ import annotations

import json

import pytest

from lightning_demo.errors import InvalidRequest
from lightning_demo.studio import table
from lightning_demo.studio.plan import COLUMNS
from lightning_demo.studio.table import Fault, Kind, Row, read_table


def read(text: str | bytes, kind: Kind) -> table.Table:
    return read_table(text.encode() if isinstance(text, str) else text, kind, COLUMNS)


def test_lines():
    assert read("a cat\n\n  a dog \r\n# red\n", "text").rows == (
        Row(1, {"prompt": "a cat"}),
        Row(3, {"prompt": "a dog"}),
        Row(4, {"prompt": "# red"}),
    )


@pytest.mark.parametrize("separator", [";", "\t"])
def test_numbers_with_a_comma(separator: str):
    """As spreadsheets write them where commas do not part cells."""
    found = read(f"prompt{separator}guidance\na, b{separator}1,5\n", "csv")
    assert found.rows == (Row(2, {"prompt": "a, b", "guidance": 1.5}),)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_csv(separator: str):
    lines = [
        ["Prompt", " seed ", "count", "guidance"],
        ['"a ""big"" cat,\n; of two lines"', "7", "", "1.5"],
        ["", "", "", ""],
        ["1984", "seven"],
        ["=1+1", "", "2", ""],
    ]
    found = read("\n".join(separator.join(line) for line in lines), "csv")
    assert found.faults == ()
    assert found.rows == (
        Row(2, {"prompt": 'a "big" cat,\n; of two lines', "seed": 7, "guidance": 1.5}),
        Row(5, {"prompt": "1984", "seed": "seven"}),
        Row(6, {"prompt": "=1+1", "count": 2}),
    )


def test_jsonl():
    lines = [
        json.dumps({"prompt": "a cat", "seed": None, "steps": 2}),
        '"just words"',
        "",
        "{",
        "[1]",
        "[" * 100_000,
        '{"seed": ' + "9" * 5000 + "}",
        '{"prompt": "last\u2028"}',
    ]
    found = read("\n".join(lines), "jsonl")
    assert found.rows == (
        Row(1, {"prompt": "a cat", "steps": 2}),
        Row(2, {"prompt": "just words"}),
        Row(8, {"prompt": "last\u2028"}),
    )
    assert [fault.line for fault in found.faults] == [4, 5, 6, 7]
    assert str(found.faults[0]) == "line 4: is not JSON."


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_encodings(encoding: str):
    text = "prompt,seed\n猫 🐈,7\n"
    assert read(text.encode(encoding), "csv").rows == (Row(2, {"prompt": "猫 🐈", "seed": 7}),)


def test_rows_that_cannot_be_read_leave_the_others():
    found = read('prompt,seed\na,1,2,3\nb,1\n"c,1\n', "csv")
    assert found.rows == (Row(3, {"prompt": "b", "seed": 1}),)
    assert found.faults[0] == Fault(2, "has 4 cells; the first line names 2.")
    assert found.faults[1].line == 4
    assert "is not CSV" in found.faults[1].reason


@pytest.mark.parametrize(
    ("data", "kind", "words"),
    [
        (b"ok\nb\xe9b\xe9", "text", "Line 2 of the list is not UTF-8"),
        (b"\xff\xfea", "text", "not UTF-16-LE"),
        (b"a cat\na dog", "csv", "must name the columns, among them prompt"),
        (b"", "csv", "must name the columns"),
        (b"prompt,mood\na,b", "csv", "There is no column 'mood'; the columns are: prompt,"),
        (b"prompt,seed,seed\na,1,2", "csv", "two columns 'seed'"),
    ],
)
def test_lists_that_cannot_be_read(data: bytes, kind: Kind, words: str):
    with pytest.raises(InvalidRequest) as raised:
        read(data, kind)
    assert words in str(raised.value)


def test_sizes(monkeypatch: pytest.MonkeyPatch):
    assert len(table.read_table(b"a\nb\nc\n", "text", COLUMNS, max_rows=3).rows) == 3
    with pytest.raises(InvalidRequest, match="more than 3 rows; the command line takes 100,000"):
        table.read_table(b"a\nb\nc\nd", "text", COLUMNS, max_rows=3)
    monkeypatch.setattr(table, "MAX_BYTES", 3)
    with pytest.raises(InvalidRequest, match="larger than"):
        read("abcd", "text")
