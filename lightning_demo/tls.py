"""Whether a certificate and its key can serve https."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path

from .errors import InvalidSetting
from .private import readable_by_others
from .settings import Settings, variable

log = logging.getLogger(__name__)

OLDEST = ssl.TLSVersion.TLSv1_2  # that is spoken


def check_certificate(settings: Settings) -> None:
    """Looks at the files of `tls_cert` and `tls_key`, if they are set.

    Raises:
        InvalidSetting: one cannot be read or used, or they do not belong together.
    """
    if not settings.tls_cert:
        return
    certificate = _read("tls_cert", settings.tls_cert)
    key = _read("tls_key", settings.tls_key)
    _require("tls_cert", settings.tls_cert, "CERTIFICATE-----" in certificate, "certificate")
    _require("tls_key", settings.tls_key, "PRIVATE KEY-----" in key, "private key")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(settings.tls_cert, settings.tls_key, _no_password)
    except ssl.SSLError as error:
        reason = "they do not belong together"
        if error.reason != "KEY_VALUES_MISMATCH":
            reason = "a file is damaged, or of a kind that OpenSSL does not take"
        raise InvalidSetting(
            f"tls_cert, tls_key: {settings.tls_cert} and {settings.tls_key} cannot be used: "
            f"{reason}."
        ) from None
    if readable_by_others(Path(settings.tls_key)):
        log.warning("tls_key: every user of this machine can read %s: chmod 600", settings.tls_key)


def _read(name: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="latin-1")
    except OSError as error:
        raise InvalidSetting(f"{name} ({variable(name)}): {path}: {error.strerror}.") from None


def _require(name: str, path: str, good: bool, what: str) -> None:
    if not good:
        raise InvalidSetting(f"{name} ({variable(name)}): {path} holds no {what} in PEM form.")


def _no_password() -> str:
    """Asked for by OpenSSL; without it, it would ask at the terminal."""
    raise InvalidSetting("tls_key (LIGHTNING_TLS_KEY): the key must be without a password.")
