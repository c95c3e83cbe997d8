"""Finds weight files on this machine, and downloads missing ones from the Hugging Face Hub.

The local cache comes first; the Hub is asked only for what is missing, so an offline machine never
waits for the network. Downloading, resuming, locking and the token are the Hub client's; HF_HOME,
HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE mean what they mean to it. Files are requested by exact
name, at pinned commits, and checked against the hash that the Hub publishes before they are used.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from huggingface_hub import try_to_load_from_cache

from ...errors import CheckpointError
from ...settings import ASSETS
from .download import NoSuchFile, Published, ask, blob_of, download_all, verify
from .faults import explain
from .progress import Report, quiet
from .repository import Repository, file_names

log = logging.getLogger(__name__)

Wanted = Sequence[tuple[Repository, tuple[str, ...]]]


def find(repository: Repository, file: str, *, download: bool = True) -> Path:
    """One file on this machine; for a weight file in half precision also its full-precision twin.

    Raises:
        CheckpointError: it is missing and cannot be downloaded; the message says why.
    """
    locate_all([(repository, (file,))], download=download)
    path = _here(repository, file)
    if path is None:
        raise _missing(repository, file)
    return path


def locate_all(wanted: Wanted, *, download: bool = True, report: Report = quiet) -> None:
    """Makes sure that all files are on this machine.

    Sizes are requested first, so that `report` knows the total, and a disk that is too small is
    reported before anything is downloaded.

    Args:
        wanted: repositories and their files, each repository once.
        download: whether missing files may be downloaded.
        report: called with (fraction, sentence) as bytes arrive.

    Raises:
        CheckpointError: as `find`.
    """
    lacking = [(r, file) for r, files in wanted for file in files if _here(r, file) is None]
    for repository, file in lacking:
        if repository.local or not download:
            raise _missing(repository, file)
    # A branch may have moved; all files of a repository must be of one commit.
    moving = {repository for repository, _ in lacking if not repository.is_pinned}
    asked = [(r, f) for r, files in wanted for f in files if r in moving or (r, f) in lacking]
    if asked:
        report(0.0, "Asking the Hugging Face Hub for the weights")
        download_all([_ask(repository, file) for repository, file in asked], report)


def check(repository: Repository, file: str) -> Path:
    """Compares a file on this machine with the hash that the Hub published for it.

    Raises:
        CheckpointError: the file is missing, or damaged and therefore removed.
    """
    path = find(repository, file, download=False)
    blob = blob_of(path)
    if blob is None:
        # What lies here may be the twin, or of a commit that its branch has left since.
        folder = _snapshot(path, file)
        there = replace(repository, revision=folder.name)
        etag = ask(there, path.relative_to(folder).as_posix()).etag
    else:
        etag = blob.name
    verify(path, repository, etag)
    return path


def commit_of(repository: Repository, file: str) -> str:
    """The commit that a file on this machine is of; empty where it is not here.

    Args:
        repository: one on the Hub; it is not asked.

    Raises:
        CheckpointError: the cache cannot be read.
    """
    path = _here(repository, file)
    return "" if path is None else _snapshot(path, file).name


def _snapshot(path: Path, file: str) -> Path:
    """The folder in the Hub client's cache that has all files of a commit, and its name."""
    return path.parents[file.count("/")]  # as deep for its twin


def _folder(repository: Repository) -> Path | None:
    """The folder of a local repository; a single file is converted first."""
    if repository.single_file is None:
        return repository.folder
    from ..weights.single_file import convert  # its imports take seconds

    return convert(repository.single_file)


def _here(repository: Repository, file: str) -> Path | None:
    """The file or its twin on this machine; never uses the network."""
    folder = _folder(repository)
    for name in file_names(file):
        if folder is not None:
            found: object = folder / name
        else:
            revision = repository.revision or None
            try:
                found = try_to_load_from_cache(repository.name, name, revision=revision)
            except OSError as error:
                raise explain(error, repository, name) from error
        if isinstance(found, (str, Path)) and Path(found).is_file():
            return Path(found)
    return None


def _missing(repository: Repository, file: str) -> CheckpointError:
    if not repository.local:
        return CheckpointError(
            f"{file} of {repository.name} is not on this machine yet: "
            "`python -m lightning_demo download` fetches it."
        )
    remedy = "it is not laid out as SDXL's own repository in diffusers' format."
    folder = _folder(repository) or Path(repository.name)
    if ASSETS in folder.parents:
        remedy = (
            "fetch the project's files again (git checkout assets), or train them with "
            "`python -m lightning_demo miniature train`."
        )
    return CheckpointError(f"{folder / file} is missing: {remedy}")


def _ask(repository: Repository, file: str) -> Published:
    """What the Hub says about a file, or about its twin if there is no such file."""
    first, *others = file_names(file)
    try:
        return ask(repository, first)
    except NoSuchFile:
        if not others:
            raise
        log.info("%s has no %s; taking %s", repository.name, first, others[0])
        return ask(repository, others[0])
