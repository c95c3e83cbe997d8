"""The one family of errors that people see. Knows nothing about who shows them."""

from __future__ import annotations

import logging
import secrets


class LightningError(Exception):
    """An error whose message is written for the person at the page.

    `status` is the HTTP status that fits, `field` the name of the request's field at fault.
    """

    status = 500

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.message, self.field))


def _rebuild(kind: type[LightningError], message: str, field: str | None) -> LightningError:
    return kind(message, field=field)


class InvalidRequest(LightningError):
    """A field of a request is outside what is allowed; no work has been done."""

    status = 422


class InvalidSetting(LightningError):
    """A command-line option or LIGHTNING_… variable has a value that it cannot have."""

    status = 500


class CheckpointError(LightningError):
    """A weight file is missing, damaged, or not the one the checkpoint table names."""

    status = 503


class NotSaved(LightningError):
    """A file that somebody has asked for cannot be written."""


class EngineUnavailable(LightningError):
    """The engine is loading, full, shutting down, or failed to load."""

    status = 503


class NotTaken(EngineUnavailable):
    """The engine has not taken the work at all: another may, without harm."""


class EngineHung(EngineUnavailable):
    """The engine has said nothing of this for so long that nobody waits for it any more."""


class RateLimited(LightningError):
    """One client asks for too much; others are served, and so is this one in `seconds`."""

    status = 429

    def __init__(self, message: str, *, field: str | None = None, seconds: float = 1.0) -> None:
        super().__init__(message, field=field)
        self.seconds = seconds

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild_limit, (self.message, self.field, self.seconds))


def _rebuild_limit(message: str, field: str | None, seconds: float) -> RateLimited:
    return RateLimited(message, field=field, seconds=seconds)


class OutOfMemory(LightningError):
    """The device had too little memory for this request; smaller ones still work."""

    status = 503


class DeviceLost(LightningError):
    """The device has stopped working: everything fails until the program is started anew."""

    status = 503


class GenerationFailed(LightningError):
    """This one request could not be painted; the engine goes on."""

    status = 500


def report_incident(error: Exception, sentence: str, log: logging.Logger) -> LightningError:
    """The error itself if it is one for people; else the sentence and a number to quote.

    The log gets everything under the same number; a stranger's error may hold secrets.
    """
    if isinstance(error, LightningError):
        return error
    incident = secrets.token_hex(4)
    log.error("%s (incident %s)", sentence, incident, exc_info=error)
    return GenerationFailed(f"{sentence} (incident {incident}).")


FULL = ("out of memory", "bad_alloc", "can't allocate memory", "not enough memory")


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error of torch, OpenVINO or Python says that a device's memory is full.

    By its words: processors, Apple's GPUs and compiled programs raise errors of no special kind.
    """
    return isinstance(error, MemoryError) or any(words in str(error) for words in FULL)


class Interrupted(Exception):
    """A call of the device was ended early by another thread; nothing has changed by it."""
