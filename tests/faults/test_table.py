"""The table of faults as one: each promise of docs/reliability.md is held, and each fault has one.

The tests stay with what they are about; `python -m pytest --faults` runs them all.
"""

from __future__ import annotations

import ast
import re
import sys

import pytest

from ..processes import run
from ..promises import TESTS, Promise, promises

PROMISES = {promise.number: promise for promise in promises()}
# What may break, as our survey of servers numbers it, and the promise that says what then happens.
FAULTS = [
    (1, "no memory on the device, once and again and again", 1),
    (2, "an exception in a step", 2),
    (3, "a device error that stays", 3),
    (4, "NaN, a black picture", 4),
    (5, "a tab closed in the middle of a picture", 7),
    (6, "a request that a newer one replaces", 8),
    (7, "a full queue", 9),
    (8, "one client's flood", 10),
    (9, "a client that does not read", 11),
    (10, "SIGTERM", 14),
    (11, "a server or engine that is killed, or hangs", 15),
    (12, "a request that ends whatever paints it", 16),
    (13, "a start without weights, GPU or sense", 21),
    (14, "a Hub that is away, cut off, or a proxy's page", 22),
    (15, "weights damaged, of another step count, or not there but by name", 23),
    (16, "pickles", 24),
    (17, "a full disk", 25),
    (18, "prompts empty, too long, of 60 MB", 26),
    (19, "prompts of NUL, half characters, heaps of accents, forged lines of a log", 26),
    (20, "HTML and scripts in a prompt", 27),
    (21, "numbers that are none", 28),
    (22, "sizes that no model or memory takes", 28),
    (23, "seeds out of range, or to be drawn", 28),
    (24, "paths to other files", 29),
    (25, "addresses that the server is to fetch", 29),
    (26, "posts of other pages, names that point here", 29),
    (27, "bodies too large, too slow, no JSON, of another kind", 29),
    (28, "secrets", 30),
    (29, "memory that grows", 13),
    (30, "two tabs, two people", 12),
]
# And what our own plan adds.
FURTHER = {
    "a step that hangs": 5,
    "an engine's thread that dies": 6,
    "clocks that jump": 18,
    "no file descriptors": 20,
    "a limit of the process's memory": 1,
    "a browser that slept": 19,
    "a restart under fifty pages": 17,
    "a closed terminal": 14,
    "a newer version": 31,
}


@pytest.fixture(scope="module")
def collected() -> dict[int, str]:
    """What pytest collects for each promise, by its number, as it says itself."""
    command = ["pytest", "--faults", "--collect-only", "-q", "-n", "0", "-p", "no:cacheprovider"]
    done = run([sys.executable, "-m", *command], timeout=200)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    lines = re.findall(r"^(\d+)\. .+: (\d+ tests.*)$", done.stdout, flags=re.MULTILINE)
    return {int(number): words for number, words in lines}


@pytest.mark.parametrize("promise", PROMISES.values(), ids=lambda promise: promise.title)
def test_every_promise_is_held(promise: Promise, collected: dict[int, str]):
    words = collected[promise.number]
    assert re.fullmatch(r"[1-9]\d* tests", words), words
    for file, name in promise.run:
        assert not skips_always(file, name), f"{file}::{name}"


def skips_always(file: str, name: str) -> bool:
    """Whether the first thing that a test does is to skip; marks are pytest's to see."""
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    (function,) = (
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name
    )
    calls = (node.value for node in function.body if isinstance(node, ast.Expr))
    marks = (ast.unparse(mark) for mark in function.decorator_list)
    return any(ast.unparse(call).startswith("pytest.skip(") for call in calls) or any(
        mark.startswith("pytest.mark.skipif(True") for mark in marks
    )


@pytest.mark.parametrize(
    ("number", "fault", "promise"), FAULTS, ids=[fault for _, fault, _ in FAULTS]
)
def test_every_fault_has_its_promise(number: int, fault: str, promise: int):
    assert FAULTS[number - 1] == (number, fault, promise) and len(FAULTS) == 30
    assert PROMISES[promise].tests


@pytest.mark.parametrize("fault", FURTHER)
def test_so_has_what_our_plan_adds(fault: str):
    assert PROMISES[FURTHER[fault]].tests
