"""What `doctor` says of versions: packages, and what earlier versions of this demo have left."""

from __future__ import annotations

import importlib.metadata
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from .private import written_by_others
from .settings import Settings, files_folder
from .surroundings import compile_folder

# Packages of these are looked at where they are installed.
OPTIONAL = ("requirements-ray.txt", "requirements-compile.txt")
REQUIRED = re.compile(
    r"([A-Za-z0-9_.-]+)(?:\[[\w,]+\])?\s*(>=|==)\s*(\d+(?:\.\d+)*)(\.\*)?(?:,<([0-9.]+))?"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at; `advice` is empty when all is well."""

    what: str
    found: str
    advice: str = ""
    hint: str = ""  # what would be better, and hinders nothing


def packages(file: Path) -> Iterator[Finding]:
    """The packages of a requirements.txt, and those beside it that only some machines have."""
    yield from _packages(file, needed=True)
    for name in OPTIONAL:
        if (beside := file.with_name(name)).exists():
            yield from _packages(beside, needed=False)


def _packages(file: Path, *, needed: bool) -> Iterator[Finding]:
    for line in file.read_text(encoding="utf-8").splitlines():
        wanted, only_where, _ = line.partition("#")[0].partition(";")
        match = REQUIRED.match(wanted)
        if match is None:
            continue
        name, relation, low, any_end, high = match.groups()
        fix = f"pip install '{wanted.strip()}'"
        here = needed and not only_where  # else on some machines alone, or for some uses
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            if here:
                yield Finding(name, "not installed", fix)
            continue
        found, least = _numbers(version), _numbers(low)
        if relation == "==":
            wrong = found[: len(least)] != least if any_end else found != least
        else:
            wrong = found < least or (high is not None and found >= _numbers(high))
        if here:
            yield Finding(name, version, fix if wrong else "")
        elif wrong:
            yield Finding(name, version, hint=fix)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.partition("+")[0]))


def outdated_programs() -> Iterator[Finding]:
    """What is compiled and fits no more, or is not trusted."""
    root = compile_folder()
    if not root.is_dir():
        return
    if why := written_by_others(root):
        hint = f"chmod -R go-w {root}, or remove it: what is compiled there is not used"
        yield Finding("compiled", why, hint=hint)
        return
    try:
        from .model.compile.program_folder import KEPT_DAYS, kept
    except ImportError:  # reported with the weights
        return
    found = kept(root)
    if not found.megabytes:
        return
    hint = ""
    text = f"{found.megabytes:.0f} MB of programs at {root}"
    if found.outdated_megabytes:
        text += f", {found.outdated_megabytes:.0f} MB of other versions"
        hint = (
            "compiled anew when the demo runs, or by `python -m lightning_demo compile`; "
            f"what nobody uses is removed after {KEPT_DAYS} days"
        )
    yield Finding("compiled", text, hint=hint)


def outdated_store(settings: Settings) -> Iterator[Finding]:
    """Whether what the APIs have kept is of this version."""
    from .web.api.store import DATABASE, VERSION

    folder = files_folder(settings)
    if folder is None or not (file := folder / DATABASE).is_file():
        return
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as database:
            (version,) = database.execute("PRAGMA user_version").fetchone()
            (pictures,) = database.execute("SELECT COUNT(*) FROM files").fetchone()
    except sqlite3.Error as error:
        advice = f"move {file} away, or choose another folder with --files-dir"
        yield Finding("kept", f"{file} cannot be read: {error}", advice)
        return
    if version > VERSION:
        advice = "install that version, or choose another folder with --files-dir"
        yield Finding("kept", f"{file} is of a newer version of this demo", advice)
        return
    found = f"{pictures} pictures of the APIs at {folder}"
    hint = "brought up to date when the demo starts" if version < VERSION else ""
    yield Finding("kept", found, hint=hint)
