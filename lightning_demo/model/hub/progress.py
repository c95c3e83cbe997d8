"""Progress of a download over all its files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from huggingface_hub.utils.tqdm import tqdm

Report = Callable[[float, str], None]  # (fraction done, sentence for the page)

_UNITS = (("GB", 10**9), ("MB", 10**6), ("kB", 10**3))


def quiet(fraction: float, sentence: str) -> None:
    """A report that does nothing."""


class Progress:
    """Counts bytes and reports them in sentences, never the same one twice in a row."""

    def __init__(self, total: int, report: Report) -> None:
        """
        Args:
            total: bytes of all files together.
            report: called with the fraction of `total` and a sentence.
        """
        self._total, self._report = total, report
        self._before = self._done = 0
        self._file, self._said = "", ""

    def begin(self, file: str) -> None:
        """A file starts, or starts over."""
        self._file, self._done = file, self._before
        self._say(f"Downloading {file}: {self._amounts()}")

    def add(self, count: int) -> None:
        """Counts more bytes of the file; negative when the Hub client had to start over."""
        self._done += count
        self._say(f"Downloading {self._file}: {self._amounts()}")

    def finish(self, size: int) -> None:
        """The file is complete; `size` bytes were to be downloaded."""
        self._before = self._done = self._before + size
        self._say(f"Checking {self._file}")

    def bar(self) -> type[tqdm]:
        """A progress bar for the Hub client that draws nothing and counts here."""
        progress = self

        class Counter(tqdm):
            def __init__(self, *args: Any, **options: Any) -> None:
                super().__init__(*args, **{**options, "disable": True})
                if half := int(options.get("initial") or 0):  # resumed
                    progress.add(half)

            def update(self, n: float | None = 1) -> None:
                progress.add(int(n or 0))

            # If a bar has these, Xet reports bytes on the wire here and bytes on disk above.
            def update_transfer(self, n: float) -> None:
                pass

            def set_transfer_postfix_str(self, text: str, refresh: bool = True) -> None:
                pass

        return Counter

    def _amounts(self) -> str:
        unit, size = next((u for u in _UNITS if self._total >= u[1]), _UNITS[-1])
        done = min(max(self._done, 0), self._total)
        return f"{done / size:.2f} of {self._total / size:.2f} {unit}"

    def _say(self, sentence: str) -> None:
        if sentence == self._said:
            return
        self._said = sentence
        done = self._done / self._total if self._total else 1.0
        self._report(min(max(done, 0.0), 1.0), sentence)
