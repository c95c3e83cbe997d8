"""The page's batches: lists are checked as the command line checks them, and nothing else is."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from lightning_demo.web import batch_list

from .conftest import Running

CSV = "prompt,seed,size,steps,count\n{a|b} c,7,,,\n=1+1,,384x256,8,2\nd,,9x9,,\n"


def check(running: Running, content: str | bytes, kind: str = "csv", **fields: Any) -> Any:
    data = content.encode() if isinstance(content, str) else content
    body = {"kind": kind, "list": base64.b64encode(data).decode(), **fields}
    return httpx.post(f"{running.url}/batch", json=body, timeout=20)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_pictures_and_faults(running: Running, encoding: str) -> None:
    answer = check(running, CSV.encode(encoding), defaults={"num_inference_steps": 2})
    assert answer.headers["cache-control"] == "no-store"
    found = answer.json()
    assert [each["number"] for each in found["pictures"]] == [1, 2, 3, 4]
    first, _, third, _ = found["pictures"]
    assert (first["line"], first["template"], first["file"]) == (2, "{a|b} c", "1-a-c.png")
    assert (first["request"]["prompt"], first["request"]["seed"]) == ("a c", 7)
    assert first["request"]["num_inference_steps"] == 2
    assert (third["request"]["width"], third["request"]["num_inference_steps"]) == (384, 8)
    assert found["bad_rows"] == 1
    assert found["faults"][0]["line"] == 4 and "multiple of 8" in found["faults"][0]["reason"]
    assert found["columns"][:2] == ["file", "line"] and "error" in found["columns"]


def test_those_that_share_calls_come_together(running: Running) -> None:
    lines = [{"prompt": f"p{n}", "steps": steps} for n, steps in enumerate((8, 2, 8, 2), 1)]
    found = check(running, "\n".join(map(json.dumps, lines)), "jsonl", format="webp").json()
    assert [each["number"] for each in found["pictures"]] == [2, 4, 1, 3]
    assert found["pictures"][0]["file"] == "2-p2.webp"


def test_words_of_lists(running: Running) -> None:
    words = {"animal": "# those we have\ncat\n", "both": "__animal__"}
    found = check(running, "a __both__\na __plant__", "text", words=words).json()
    (picture,) = found["pictures"]
    assert (picture["template"], picture["request"]["prompt"]) == ("a __both__", "a cat")
    assert "there is no list 'plant'" in found["faults"][0]["reason"]


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"kind": "xlsx"}, "kind", "must be one of text, csv, jsonl"),
        ({"kind": []}, "kind", "must be one of"),
        ({"format": "gif"}, "format", "must be one of png"),
        ({"list": "ü"}, "list", "in base64"),
        ({"list": None}, "list", "in base64"),
        ({"defaults": 7}, "defaults", "must be an object"),
        ({"words": ["a"]}, "words", "must be texts"),
        ({"words": {"a": 7}}, "words", "must be texts"),
        ({"words": {str(n): "" for n in range(101)}}, "words", "may be 100 lists"),
        ({"words": {"a": "x" * 2_001}}, "words", "a line of 'a' is longer than 2000"),
        ({"mood": "good"}, "mood", "no such field"),
    ],
)
def test_what_is_invalid_is_named(running: Running, fields: Any, field: str, words: str) -> None:
    answer = check(running, "a cat", **{"kind": "text", **fields})
    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert words in answer.json()["detail"]


@pytest.mark.parametrize(
    ("kind", "content", "words"),
    [
        ("text", b"", "nothing in the list"),
        ("csv", b"words,seed\na,1\n", "must name the columns"),
        ("text", b"\xe4 cat", "is not UTF-8 text"),
        ("text", b"a cat\n" * 100_000, "more than 10,000 rows"),
        ("text", b"{0,1,2,3,4,5,6,7,8,9}" * 4 + b"\na", "more than 10,000 pictures"),
        ("text", (b"{a,b}" * 3 + b"x" * 60_000 + b"\n") * 20, "more than 8,388,608 characters"),
        ("text", b"x" * (4 * 2**20 + 1), "may have 4 MiB here"),
    ],
)
def test_lists_that_are_not_taken(running: Running, kind: str, content: bytes, words: str) -> None:
    answer = check(running, content, kind)
    assert answer.status_code == 422
    assert words in answer.json()["detail"]


def test_faults_are_counted_beyond_what_is_told(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_list, "MAX_FAULTS", 2)
    found = check(running, "{a\n{b\n{c", "text").json()
    assert (found["bad_rows"], len(found["faults"]), found["pictures"]) == (3, 2, [])


def test_a_body_beyond_all_bounds_is_refused(running: Running) -> None:
    headers = {"Content-Type": "application/json"}
    content = b'{"list": "' + b"A" * 2**23 + b'"}'
    answer = httpx.post(f"{running.url}/batch", content=content, headers=headers)
    assert answer.status_code == 413


def test_pages_elsewhere_and_visitors_who_are_not_logged_in_are_refused(
    start: Callable[..., Running],
) -> None:
    running = start(auth="me:secret")
    assert check(running, "a cat", "text").status_code == 401
    headers = {"Origin": "https://elsewhere.example"}
    body = {"kind": "text", "list": ""}
    assert httpx.post(f"{running.url}/batch", json=body, headers=headers).status_code == 403
