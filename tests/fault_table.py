"""`python -m pytest --faults`: what docs/reliability.md names, and a line for each promise.

The document is the table; the tests stay with the modules that they are about.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from .promises import TESTS, Test, promises

NAMED = "named in docs/reliability.md"  # the property of a test's report, which tells which it is
RESULTS = "passed", "failed", "skipped"


def pytest_addoption(parser: pytest.Parser) -> None:
    words = "run what docs/reliability.md names, and show the table of its promises"
    parser.addoption("--faults", action="store_true", help=words)


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--faults"):
        config.pluginmanager.register(FaultTable(), "fault-table")


class FaultTable:
    """In the process that prints, and in each that runs tests."""

    def __init__(self) -> None:
        self._promises = promises()
        self._wanted = {test for promise in self._promises for test in promise.run}
        self._there: Counter[Test] = Counter()
        self._never: Counter[Test] = Counter()  # of these, what no machine runs
        self._results: dict[Test, Counter[str]] = {}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        chosen, others = [], []
        for item in items:
            test = which(item)
            if test not in self._wanted:
                others.append(item)
                continue
            chosen.append(item)
            item.user_properties.append((NAMED, test))
            self._there[test] += 1
            self._never[test] += any(item.iter_markers("skip"))
        config.hook.pytest_deselected(items=others)
        items[:] = chosen

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for name, test in report.user_properties:
            if name == NAMED and (report.when == "call" or report.outcome != "passed"):
                self._results.setdefault(tuple(test), Counter())[report.outcome] += 1

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.section("promises of docs/reliability.md")
        for line in self._lines(terminalreporter.config.getoption("collectonly")):
            terminalreporter.write_line(line)

    def _lines(self, only_collected: bool) -> Iterator[str]:
        for promise in self._promises:
            if only_collected:
                yield f"{promise.number}. {promise.title}: {self._collected(promise.run)}"
            else:
                yield f"{promise.number}. {promise.title}: {self._outcome(promise.run)}"

    def _collected(self, tests: frozenset[Test]) -> str:
        missing = [test for test in tests if self._there[test] <= self._never[test]]
        words = f"{sum(self._there[test] for test in tests)} tests"
        return "; ".join([words, *("never run: " + "::".join(test) for test in sorted(missing))])

    def _outcome(self, tests: frozenset[Test]) -> str:
        total = sum((self._results.get(test, Counter()) for test in tests), Counter[str]())
        words = ", ".join(f"{total[result]} {result}" for result in RESULTS if total[result])
        missing = sorted("::".join(test) for test in tests if test not in self._results)
        return "; ".join([words or "nothing has run", *(f"not run: {name}" for name in missing)])


def which(item: pytest.Item) -> Test | None:
    """The test by the file that its function stands in: a contract's run in many modules."""
    function = getattr(item, "function", None)
    module = inspect.getmodule(function)
    if function is None or module is None or module.__file__ is None:
        return None
    path = Path(module.__file__).resolve()
    return (path.relative_to(TESTS).as_posix() if TESTS in path.parents else "", function.__name__)
