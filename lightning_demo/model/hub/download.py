"""Fetches files from the Hugging Face Hub into its client's cache, and checks what arrives.

Resuming, locking and the token are the Hub client's.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from huggingface_hub import (
    constants,
    get_hf_file_metadata,
    hf_hub_download,
    hf_hub_url,
    try_to_load_from_cache,
)
from huggingface_hub.errors import RemoteEntryNotFoundError

from ...errors import CheckpointError
from .faults import explain, passing
from .progress import Progress, Report
from .repository import Repository

log = logging.getLogger(__name__)

Result = TypeVar("Result")

WAITS = (1.0, 3.0)  # seconds before each retry


class NoSuchFile(CheckpointError):
    """The repository is there, and has no file of this name."""


@dataclass(frozen=True, slots=True)
class Published:
    """A file as the Hub announces it."""

    repository: Repository
    file: str
    commit: str
    etag: str  # sha256 of a large file, git's hash of a small one
    size: int  # bytes


def ask(repository: Repository, file: str) -> Published:
    """What the Hub says about a file.

    Raises:
        NoSuchFile: the repository has no such file.
        CheckpointError: anything else went wrong; the message says what.
    """
    url = hf_hub_url(repository.name, file, revision=repository.revision or None)
    try:
        told = _patiently(partial(get_hf_file_metadata, url, timeout=constants.HF_HUB_ETAG_TIMEOUT))
    except RemoteEntryNotFoundError as error:
        raise NoSuchFile(str(explain(error, repository, file))) from error
    except Exception as error:  # from the client, its HTTP library or the disk
        raise explain(error, repository, file) from error
    if told.commit_hash is None or told.etag is None or told.size is None:
        raise CheckpointError(
            f"What answers at {constants.ENDPOINT} is not a Hugging Face Hub: check HF_ENDPOINT, "
            "the proxy, and whether this network wants a login first."
        )
    return Published(repository, file, told.commit_hash, told.etag, told.size)


def download_all(published: list[Published], report: Report) -> None:
    """Fetches files one after another, and checks each."""
    new = [item for item in published if _cached(item) is None]
    total = sum(item.size for item in new)
    _check_disk(total)
    log.info("downloading %.2f GB in %d files to %s", total / 1e9, len(new), cache_folder())
    progress = Progress(total, report)
    for item in published:
        known = _cached(item) is not None
        path = _fetch(item, progress)
        progress.finish(0 if known else item.size)
        if not known:
            verify(path, item.repository, item.etag, item.size)


def _cached(item: Published) -> Path | None:
    found = try_to_load_from_cache(item.repository.name, item.file, revision=item.commit)
    return Path(found) if isinstance(found, str) else None


def cache_folder() -> Path:
    """Where the Hub client keeps files (HF_HUB_CACHE, or "hub" in HF_HOME)."""
    return Path(constants.HF_HUB_CACHE).expanduser()


def existing_parent(folder: Path) -> Path:
    """The folder, or its nearest parent that exists: what tells which disk it will be on."""
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    return folder


def _fetch(item: Published, progress: Progress) -> Path:
    def once() -> str:
        progress.begin(item.file)
        return hf_hub_download(
            item.repository.name,
            item.file,
            revision=item.repository.revision or None,
            tqdm_class=progress.bar(),
        )

    try:
        return Path(_patiently(once))
    except Exception as error:  # as in `ask`; Xet adds its own
        raise explain(error, item.repository, item.file) from error


def _patiently(call: Callable[[], Result]) -> Result:
    """Retries a few times after errors that may pass."""
    for wait in WAITS:
        try:
            return call()
        except Exception as error:
            if not passing(error):
                raise
            log.warning("trying again in %.0f s: %s", wait, error)
        time.sleep(wait)
    return call()


def _check_disk(needed: int) -> None:
    free = shutil.disk_usage(existing_parent(cache_folder())).free
    if free < needed:
        raise CheckpointError(
            f"{cache_folder()} has room for {free / 1e9:.1f} GB, and {needed / 1e9:.1f} GB are to "
            "be downloaded: free some space, or point HF_HOME to another disk."
        )


def blob_of(path: Path) -> Path | None:
    """Where the cache keeps a file's bytes, under the published hash; None without symlinks."""
    return path.parent / os.readlink(path) if path.is_symlink() else None


def verify(path: Path, repository: Repository, etag: str, size: int | None = None) -> None:
    """Removes a file that is not what the Hub published.

    Raises:
        CheckpointError: it was removed.
    """
    found = path.stat().st_size
    if (size is None or found == size) and _hash(path, etag) in (etag, None):
        return
    for part in (path.resolve(), blob_of(path), path):
        if part is not None:
            part.unlink(missing_ok=True)
    raise CheckpointError(
        f"{path} was not the file that {repository.name} publishes, of {found} bytes, and has "
        "been removed: download it again; if that does not help, check the proxy and HF_ENDPOINT."
    )


def _hash(path: Path, etag: str) -> str | None:
    """The file's hash of the same kind as `etag`; None for an unknown kind."""
    if len(etag) == 64:
        return sha256(path)
    if len(etag) == 40:  # a small file, hashed as git does
        content = path.read_bytes()
        header = b"blob %d\0" % len(content)
        return hashlib.sha1(header + content, usedforsecurity=False).hexdigest()
    return None


def sha256(path: Path) -> str:
    """The file's hash in hexadecimal, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
