"""Errors of downloads from the Hugging Face Hub, as one sentence that says what to do."""

from __future__ import annotations

import errno
from collections.abc import Iterator

from huggingface_hub import constants
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from ...errors import CheckpointError
from .repository import Repository

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NOT_WRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST)
_KEPT = "whole files that are here already are kept"


def explain(error: Exception, repository: Repository, file: str) -> CheckpointError:
    """The sentence for any error of the Hub client or the disk about one file."""
    for cause in _chain(error):
        words = _hub_words(cause, repository, file) or _local_words(cause, repository, file)
        if words:
            return CheckpointError(words)
    return CheckpointError(
        f"{file} of {repository.name} could not be downloaded ({_reason(error)}): start again; "
        f"{_KEPT}."
    )


def passing(error: Exception) -> bool:
    """Whether a retry may help: a server error, or a lost connection.

    Refused connections and time-outs do not count: somebody is waiting at the page, and the Hub
    client has retried those where it helps.
    """
    if isinstance(error, HfHubHTTPError):
        status: int = error.response.status_code
        return status == 408 or status >= 500
    kinds = _kinds(error)
    return "ConnectError" not in kinds and bool(kinds & {"NetworkError", "RemoteProtocolError"})


def _hub_words(error: BaseException, repository: Repository, file: str) -> str:
    """The sentence for an answer of the Hub; empty for other errors."""
    name, hub = repository.name, constants.ENDPOINT
    if isinstance(error, OfflineModeIsEnabled):
        return (
            f"{file} of {name} is not on this machine, and HF_HUB_OFFLINE forbids to fetch it: "
            "unset that variable, or copy a filled cache here and point HF_HOME to it."
        )
    if not isinstance(error, HfHubHTTPError):
        return ""
    status = error.response.status_code
    if isinstance(error, GatedRepoError):
        return (
            f"{name} is gated: accept its terms at {hub}/{name}, then log in with `hf auth login`."
        )
    if isinstance(error, RevisionNotFoundError):
        return f"{name} has no revision {repository.revision!r}: check it at {hub}/{name}."
    if isinstance(error, RemoteEntryNotFoundError):
        return (
            f"{name} has no file {file}: it is not laid out as SDXL's own repository in "
            "diffusers' format."
        )
    if isinstance(error, RepositoryNotFoundError) or status == 404:
        return (
            f"{name} was not found at {hub}: check its name, or log in with `hf auth login` if it "
            "is private."
        )
    if status in (401, 403):
        return (
            f"{hub} does not let this machine read {name} ({status}): log in with `hf auth login` "
            "and a token that may read it."
        )
    if status == 429:
        return f"{hub} was asked too often from here (429): wait some minutes and start again."
    if status >= 500:
        return (
            f"{hub} is in trouble ({status}) and did not send {file} of {name}: start again later; "
            f"{_KEPT}."
        )
    return f"{hub} answered {status} to {file} of {name}: check the network and HF_ENDPOINT."


def _local_words(error: BaseException, repository: Repository, file: str) -> str:
    """The sentence for a fault of the network or the disk; empty for other errors."""
    name, hub, kinds = repository.name, constants.ENDPOINT, _kinds(error)
    if "TimeoutException" in kinds:
        return (
            f"{hub} stopped answering while sending {file} of {name}: check the network and start "
            f"again; {_KEPT}."
        )
    if kinds & {"ConnectError", "ProxyError"}:
        return (
            f"{hub} cannot be reached for {file} of {name} ({_reason(error)}): check the network, "
            "the proxy, and HF_ENDPOINT if it is set."
        )
    if kinds & {"NetworkError", "RemoteProtocolError"}:
        return (
            f"The connection to {hub} was cut again and again while sending {file} of {name}: "
            f"check the network and start again; {_KEPT}."
        )
    if isinstance(error, OSError) and error.errno in _FULL:
        return (
            f"The disk of {constants.HF_HUB_CACHE} ran full while {file} of {name} was written: "
            "free some space, or point HF_HOME to another disk."
        )
    if isinstance(error, OSError) and error.errno in _NOT_WRITABLE:
        return (
            f"{constants.HF_HUB_CACHE} cannot be used for downloads ({error.strerror}): make that "
            "folder writable, or point HF_HOME to one that is."
        )
    return ""


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and its causes, outermost first.

    The client's LocalEntryNotFoundError is skipped: it only hides the real cause.
    """
    seen: BaseException | None = error
    while seen is not None:
        if not isinstance(seen, LocalEntryNotFoundError):
            yield seen
        seen = seen.__cause__ or seen.__context__


def _kinds(error: BaseException) -> set[str]:
    """Class names of the error: the Hub client's HTTP library may be httpx or its successor."""
    return {kind.__name__ for kind in type(error).__mro__}


def _reason(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
