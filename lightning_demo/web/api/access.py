"""Who may use the APIs: holders of keys, programs on this machine, or everybody.

A file of keys has a line for each: a name, the key, and what limits it,

    alice sk-5f0c… per_second=2 at_once=8
    tokyo sk-93be… server=1

the second for a server of this demo that lets this one paint. It is read again whenever it has
changed, so that a key is given or taken back without a restart.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import math
import secrets
from base64 import b64decode
from pathlib import Path

from starlette.requests import HTTPConnection

from ...errors import InvalidSetting, LightningError
from ...settings import Settings
from ..callers import AT_ONCE, Caller, caller_at, trusted
from ..guard import from_this_machine, may_seem_this_machine

log = logging.getLogger(__name__)

SHORTEST = 16  # characters of a key
SERVER_AT_ONCE = 1_000  # pictures of all its visitors


class KeyRequired(LightningError):
    """No key came with the request."""

    status = 401


class NotAllowed(LightningError):
    """The key is not known, or nobody but this machine may ask."""

    status = 403


class UnknownKey(NotAllowed):
    """Nobody holds the key."""


KEY_FAULTS = (KeyRequired, UnknownKey)  # what most vendors answer 401 to


class Access:
    """The rules of one server."""

    def __init__(self, settings: Settings) -> None:
        """
        Raises:
            InvalidSetting: the file of keys cannot be read, or a line of it is not as it must be.
        """
        self._open = settings.open_api
        self._nobody_local = may_seem_this_machine(settings)
        self._keys = KeyFile(Path(settings.api_keys)) if settings.api_keys else None

    def caller(self, connection: HTTPConnection) -> Caller:
        """Who asks.

        Raises:
            LightningError: whoever it is may not.
        """
        if self._keys is not None:
            key = given_key(connection)
            if not key:
                raise KeyRequired("Send an API key: Authorization: Bearer KEY.")
            return self._keys.holder(key)
        local = not self._nobody_local and from_this_machine(connection)
        if not (self._open or local):
            raise NotAllowed(
                "The API answers this machine only, unless it is started with --api-keys FILE "
                "or --open-api."
            )
        caller = caller_at(connection)
        return trusted(caller) if local else caller


class KeyFile:
    """API keys by their hashes: the keys themselves are not kept."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._salt = secrets.token_bytes(16)
        self._holders: dict[bytes, Caller] = {}
        self._read = self._stamp()
        self._holders = self._parse()

    def holder(self, key: str) -> Caller:
        """
        Raises:
            UnknownKey: nobody holds this key.
        """
        self._refresh()
        asked = self._hash(key)
        found = None
        for known, caller in self._holders.items():  # all of them: how long it takes tells nothing
            if hmac.compare_digest(known, asked):
                found = caller
        if found is None:
            raise UnknownKey("This API key is not known.")
        return found

    def _refresh(self) -> None:
        """Reads the file if it has changed; one that is at fault changes nothing but the log."""
        try:
            stamp = self._stamp()
            if stamp != self._read:
                self._read, self._holders = stamp, self._parse()
        except InvalidSetting as error:
            log.error("%s The keys stay as they were.", error)

    def _stamp(self) -> tuple[int, int]:
        try:
            stat = self._path.stat()
        except OSError as error:
            raise InvalidSetting(f"api_keys: {self._path}: {error.strerror}.") from None
        return stat.st_mtime_ns, stat.st_size

    def _parse(self) -> dict[bytes, Caller]:
        try:
            lines = self._path.read_text(encoding="utf-8-sig").splitlines()  # Notepad's, too
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidSetting(f"api_keys: {self._path} cannot be read ({error}).") from None
        holders: dict[bytes, Caller] = {}
        lines_of: dict[str, int] = {}  # by holder
        for number, line in enumerate(lines, 1):
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            key, caller = _holder(words, f"api_keys: {self._path}, line {number}")
            if caller.name in lines_of:
                raise InvalidSetting(
                    f"api_keys: {self._path}, line {number}: {caller.name} has a key already."
                )
            if (other := holders.get(self._hash(key))) is not None:
                raise InvalidSetting(
                    f"api_keys: {self._path}, line {number}: {caller.name} has the same key as "
                    f"{other.name} in line {lines_of[other.name]}; give each a key of its own."
                )
            lines_of[caller.name] = number
            holders[self._hash(key)] = caller
        return holders

    def _hash(self, key: str) -> bytes:
        return hashlib.blake2b(key.encode("utf-8", "surrogatepass"), salt=self._salt).digest()


def given_key(connection: HTTPConnection) -> str:
    """The key that came with a request, in any of the ways that the vendors' clients send it."""
    headers = connection.headers
    scheme, _, value = headers.get("authorization", "").partition(" ")
    value = value.strip()
    if scheme.lower() in ("bearer", "key", "token") and value:
        return value
    if scheme.lower() == "basic":
        try:
            return b64decode(value, validate=True).decode().partition(":")[2]
        except ValueError:
            return ""
    return headers.get("x-api-key", "")


def _holder(words: list[str], where: str) -> tuple[str, Caller]:
    """One line: the key and who holds it."""
    if len(words) < 2 or len(words[1]) < SHORTEST:
        raise InvalidSetting(
            f"{where}: write a name and a key of at least {SHORTEST} characters, "
            "as in `alice sk-…`."
        )
    per_second, at_once, server = math.inf, 0, False
    for word in words[2:]:
        name, _, value = word.partition("=")
        try:
            number = float(value)
            if name == "per_second" and number > 0:
                per_second = number
            elif name == "at_once" and number >= 1:
                at_once = int(number)
            elif name == "server" and number == 1:
                server = True
            else:
                raise ValueError
        except (ValueError, OverflowError):
            raise InvalidSetting(
                f"{where}: {word[:40]!r} is not per_second=NUMBER above 0, at_once=NUMBER "
                "of at least 1, or server=1."
            ) from None
    at_once = at_once or (SERVER_AT_ONCE if server else AT_ONCE)
    return words[1], Caller("key", words[0], per_second, at_once, server=server)
