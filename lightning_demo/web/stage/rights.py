"""Who may present: whoever knows the password; without one, a browser on this machine.

Who may gets a token for the wall's code and shows that from then on. With a password it is made
from it, so that it also holds after the server has been started anew, in the middle of a talk.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Literal

from starlette.requests import HTTPConnection

from ...errors import LightningError, RateLimited
from ...settings import Settings
from ..addresses import Allowance, address_of
from ..guard import from_this_machine, may_seem_this_machine

ATTEMPTS = 6  # passwords in a row from one address, and then
ATTEMPTS_PER_SECOND = 0.1


class MayNotPresent(LightningError):
    """Not without the password, or not from there.

    Attributes:
        needs: what would help.
    """

    status = 403

    def __init__(self, message: str, needs: Literal["password", "machine"]) -> None:
        super().__init__(message)
        self.needs = needs


class Rights:
    """The rules of one server."""

    def __init__(self, settings: Settings) -> None:
        self._password = settings.presenter_password
        self._nobody_local = may_seem_this_machine(settings)
        self._attempts = Allowance(ATTEMPTS, ATTEMPTS_PER_SECOND)
        self._secret = _stretched(self._password) if self._password else secrets.token_bytes(32)

    def token(self, code: str) -> str:
        """What shows the right to present on the wall of this code."""
        return hmac.new(self._secret, code.encode(), "sha256").hexdigest()

    def holds(self, code: str, token: str) -> bool:
        """Whether the token is the one for this code."""
        return hmac.compare_digest(self.token(code).encode(), token.encode("utf-8", "replace"))

    def check(self, connection: HTTPConnection, password: str | None, now: float) -> None:
        """
        Raises:
            LightningError: whoever it is may not present.
        """
        if not self._password:
            if self._nobody_local or not from_this_machine(connection):
                raise MayNotPresent(
                    "Only a browser on the computer that runs the demo may present, unless it is "
                    "started with --presenter-password.",
                    "machine",
                )
            return
        if not password:
            raise MayNotPresent("Type the presenter's password.", "password")
        wait = self._attempts.take(address_of(connection), now)
        if wait:
            raise RateLimited(
                f"Too many passwords were tried; wait {round(wait) + 1} seconds.", seconds=wait
            )
        # Of equal lengths: how long the comparison takes tells nothing.
        given, known = _digest(password), _digest(self._password)
        if not hmac.compare_digest(given, known):
            raise MayNotPresent("That is not the presenter's password.", "password")


def _stretched(password: str) -> bytes:
    """A key that is slow to find from a token: who sees one must not be able to guess passwords."""
    return hashlib.scrypt(_bytes(password), salt=b"lightning presenter", n=2**14, r=8, p=1)


def _digest(text: str) -> bytes:
    return hashlib.sha256(_bytes(text)).digest()


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
