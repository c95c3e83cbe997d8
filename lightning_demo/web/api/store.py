"""What outlives a request and the server: finished pictures, jobs, and who has used how much.

A folder with one SQLite database, and a file for each picture. Ids are made here, with 192 random
bits, and looked up in the database: no path is built from what a client sends. All methods may be
called from any thread.
"""

from __future__ import annotations

import json
import logging
import math
import secrets
import sqlite3
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import EngineUnavailable, InvalidRequest
from ...private import private_file, write_private
from ...settings import Settings, files_folder
from . import expiry
from .temporary_folder import TemporaryFolder

log = logging.getLogger(__name__)

DATABASE = "store.sqlite"
# Of the database; the first had none, and the same tables. New tables and columns that an older
# version does not miss make no new one.
VERSION = 1
SWEEP_SECONDS = 60.0  # between two looks for what has expired
EXTENSIONS = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp"}

_SCHEMA = f"""
PRAGMA user_version = {VERSION};
CREATE TABLE IF NOT EXISTS files (
    name TEXT PRIMARY KEY, media_type TEXT NOT NULL, bytes INTEGER NOT NULL, created REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY, vendor TEXT NOT NULL, owner TEXT NOT NULL, ended INTEGER NOT NULL,
    created REAL NOT NULL, record TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS jobs_by_owner ON jobs (vendor, owner, created);
CREATE TABLE IF NOT EXISTS usage (
    owner TEXT NOT NULL, day TEXT NOT NULL, pictures INTEGER NOT NULL, steps INTEGER NOT NULL,
    PRIMARY KEY (owner, day)
);
CREATE TABLE IF NOT EXISTS secrets (name TEXT PRIMARY KEY, value BLOB NOT NULL);
"""


class NotFound(InvalidRequest):
    """There is nothing of this name, no longer, or not for this client."""

    status = 404


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A picture as it was encoded."""

    name: str
    path: Path
    media_type: str


def new_id() -> str:
    """An id that cannot be guessed: 32 characters that any URL and any client takes."""
    return secrets.token_hex(16)


class Store:
    """The folder of one server."""

    def __init__(self, folder: Path | None, hours: float, megabytes: float) -> None:
        """
        Args:
            folder: None: a temporary one, which ends with this object.
            hours: that pictures and jobs are kept.
            megabytes: of pictures, beyond which the oldest go first; the database with the jobs
                may have a quarter of that beside.
        """
        self._temporary = TemporaryFolder() if folder is None else None
        self._folder = self._temporary.path if self._temporary else Path(folder or "")
        self._seconds = hours * 3600
        self._budget = int(megabytes * 2**20)
        self._lock = threading.Lock()
        self._swept = -math.inf  # by a clock that does not jump
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            private_file(file := self._folder / DATABASE)  # SQLite's other files take its rights
            self._database = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
            self._refuse_newer()
            self._database.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;")
            self._database.executescript(_SCHEMA)
            expiry.forget_strays(self._execute, self._folder, SWEEP_SECONDS)
        except (OSError, sqlite3.Error) as error:
            log.error("%s cannot be used: %s", self._folder, error)
            raise EngineUnavailable(
                "The folder for finished pictures cannot be used; see the server's log."
            ) from None

    @classmethod
    def of(cls, settings: Settings) -> Store:
        """The store that the settings ask for."""
        return cls(files_folder(settings), settings.files_hours, settings.files_mb)

    def close(self) -> None:
        """Ends the connection; a temporary folder goes with it."""
        with self._lock:
            self._database.close()
        if self._temporary is not None:
            self._temporary.close()

    def put_file(self, data: bytes, media_type: str) -> str:
        """Keeps a picture; returns its name, id and extension."""
        name = f"{new_id()}.{EXTENSIONS[media_type]}"
        path = self._folder / name
        try:
            write_private(path, data)
            row = (name, media_type, len(data), time.time())
            self._execute("INSERT INTO files VALUES (?, ?, ?, ?)", row)
        except (OSError, EngineUnavailable) as error:
            path.unlink(missing_ok=True)  # a part of it, on a full disk, would keep the disk full
            if isinstance(error, EngineUnavailable):
                raise
            log.error("a picture could not be kept: %s", error)
            raise EngineUnavailable(
                "The picture could not be kept: the server's disk does not take it."
            ) from None
        try:
            late = time.monotonic() - self._swept > SWEEP_SECONDS
            if late or expiry.bytes_of_files(self._execute) > self._budget:
                self.sweep()
        except Exception:  # the picture is there all the same
            log.exception("what has expired is not forgotten yet")
        return name

    def file(self, name: str) -> StoredFile:
        """
        Raises:
            NotFound: it is not there, or no longer.
        """
        rows = self._execute(
            "SELECT name, media_type FROM files WHERE name = ? AND created > ?",
            (name, time.time() - self._seconds),
        )
        if rows:
            found, media_type = rows[0]
            path = self._folder / found
            if path.is_file():
                return StoredFile(found, path, media_type)
        raise NotFound("There is no such file; pictures are kept for a limited time.")

    def put_job(self, job: Mapping[str, Any], *, ended: bool) -> int:
        """Keeps a job's record, which has an `id`, `vendor`, `owner` and `created`.

        Returns the bytes that it has as JSON.
        """
        text = json.dumps(job)
        row = (job["id"], job["vendor"], job["owner"], ended, job["created"], text)
        self._execute("INSERT OR REPLACE INTO jobs VALUES (?, ?, ?, ?, ?, ?)", row)
        return len(text)

    def job(self, vendor: str, owner: str | None, name: str) -> dict[str, Any]:
        """
        Args:
            owner: None: whoever's it is.

        Raises:
            NotFound: this client has no such job.
        """
        rows = self._execute(
            "SELECT record FROM jobs WHERE id = ? AND vendor = ? AND owner = COALESCE(?, owner) "
            "AND (created > ? OR ended = 0)",
            (name, vendor, owner, time.time() - self._seconds),
        )
        if not rows:
            raise NotFound("There is no such job; jobs are kept for a limited time.")
        return _read(rows[0][0])

    def jobs(
        self, vendor: str, owner: str, before: float | None, count: int
    ) -> list[dict[str, Any]]:
        """The newest jobs of a client, or the newest before a time."""
        now = time.time()
        rows = self._execute(
            "SELECT record FROM jobs WHERE vendor = ? AND owner = ? AND created < ? "
            "AND (created > ? OR ended = 0) ORDER BY created DESC LIMIT ?",
            (vendor, owner, now + 1 if before is None else before, now - self._seconds, count),
        )
        return [_read(record) for (record,) in rows]

    def unfinished(self) -> list[dict[str, Any]]:
        """The jobs that were running when the server before this one ended."""
        return [_read(r) for (r,) in self._execute("SELECT record FROM jobs WHERE ended = 0")]

    def count_use(self, owner: str, pictures: int, steps: int) -> None:
        """Adds to what a client has used today (UTC)."""
        day = time.strftime("%Y-%m-%d", time.gmtime(time.time()))
        self._execute(
            "INSERT INTO usage VALUES (?, ?, ?, ?) ON CONFLICT (owner, day) DO UPDATE SET "
            "pictures = pictures + excluded.pictures, steps = steps + excluded.steps",
            (owner, day, pictures, steps),
        )

    def usage(self, owner: str) -> list[dict[str, Any]]:
        """What a client has used: `day`, `pictures`, `steps` for each day."""
        rows = self._execute(
            "SELECT day, pictures, steps FROM usage WHERE owner = ? ORDER BY day", (owner,)
        )
        return [{"day": day, "pictures": pictures, "steps": steps} for day, pictures, steps in rows]

    def secret(self, name: str) -> bytes:
        """32 random bytes that are made when they are first asked for, and then stay."""
        self._execute(
            "INSERT OR IGNORE INTO secrets VALUES (?, ?)", (name, secrets.token_bytes(32))
        )
        found: bytes = self._execute("SELECT value FROM secrets WHERE name = ?", (name,))[0][0]
        return found

    def sweep(self) -> None:
        """Forgets what has expired, and the oldest of what there is too much of."""
        self._swept = time.monotonic()
        expiry.sweep(self._execute, self._folder, time.time() - self._seconds, self._budget)

    def _refuse_newer(self) -> None:
        """What a newer version has written might mean something else here.

        Raises:
            OSError: it is.
        """
        (found,) = self._database.execute("PRAGMA user_version").fetchone()
        if found > VERSION:
            self._database.close()
            raise OSError(f"its database is of a newer version of this demo ({found})")

    def _execute(self, statement: str, values: tuple[Any, ...] = ()) -> list[Any]:
        try:
            with self._lock:
                return self._database.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            log.error("the store's database: %s", error)
            raise EngineUnavailable(
                "The server's store of pictures and jobs does not answer; see its log."
            ) from None


def _read(record: str) -> dict[str, Any]:
    """A record; a number beyond any float, as older versions took it, is null."""
    found: dict[str, Any] = json.loads(record, parse_constant=lambda name: None)
    return found
