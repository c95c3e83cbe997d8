"""The door to the Hub, over real HTTP: the cache first, every fault in words, no half file ever."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest

from lightning_demo.errors import CheckpointError
from lightning_demo.model.hub import download
from lightning_demo.model.hub import files as hub
from lightning_demo.model.hub.repository import Repository

from .hub_server import NEWEST, FakeHub, Fault, point_the_client_to, serve_as_the_hub

MODEL = Repository("owner/model", "a" * 40)
CONFIG = "unet/config.json"
WEIGHTS = "unet/model.fp16.safetensors"
LARGE = bytes(range(256)) * 300
SMALL = b'{"a": 1}\n'


def locate(repository: Repository, files: tuple[str, ...]) -> Path:
    """The folder of a repository with these files, downloaded if missing."""
    hub.locate_all([(repository, files)])
    return hub.find(repository, files[0]).parents[files[0].count("/")]


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with serve_as_the_hub(tmp_path / "home", monkeypatch) as fake:
        fake.files["owner/model"] = {CONFIG: SMALL, WEIGHTS: LARGE, "plain.safetensors": LARGE[:-9]}
        yield fake


def files_in(folder: Path) -> list[str]:
    """Whole files in the cache; halves, which some versions of the client keep, have a suffix."""
    blobs = folder.glob("home/hub/models--*/blobs/*")
    return sorted(path.name for path in blobs if path.suffix != ".incomplete")


def test_what_is_missing_is_fetched_and_then_nobody_is_asked(server: FakeHub, tmp_path: Path):
    folder = locate(MODEL, (CONFIG, WEIGHTS))
    assert folder == tmp_path / f"home/hub/models--owner--model/snapshots/{MODEL.revision}"
    assert (folder / WEIGHTS).read_bytes() == LARGE and (folder / CONFIG).read_bytes() == SMALL
    assert len(server.gets()) == 2
    server.requests.clear()
    assert locate(MODEL, (CONFIG, WEIGHTS)) == folder
    assert hub.find(MODEL, WEIGHTS) == folder / WEIGHTS
    hub.locate_all([(MODEL, (CONFIG, WEIGHTS))])
    assert server.requests == []


def test_only_what_is_missing_is_fetched(server: FakeHub):
    locate(MODEL, (CONFIG,))
    server.requests.clear()
    locate(MODEL, (CONFIG, WEIGHTS))
    assert {path for _, path, _ in server.requests} == {
        f"/owner/model/resolve/{MODEL.revision}/{WEIGHTS}"
    }


def test_a_full_cache_needs_no_network(server: FakeHub, monkeypatch: pytest.MonkeyPatch):
    folder = locate(MODEL, (CONFIG,))
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert locate(MODEL, (CONFIG,)) == folder
    with pytest.raises(CheckpointError, match=r"unet/model\.fp16.*HF_HUB_OFFLINE forbids"):
        locate(MODEL, (CONFIG, WEIGHTS))


def test_looking_without_downloading_asks_nobody(server: FakeHub):
    with pytest.raises(CheckpointError, match=r"not on this machine yet: `python -m .* download`"):
        hub.locate_all([(MODEL, (CONFIG,))], download=False)
    assert server.requests == []


def test_bytes_are_reported_over_all_files(server: FakeHub, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(huggingface_hub.constants, "DOWNLOAD_CHUNK_SIZE", 10_000)
    locate(MODEL, (CONFIG,))
    other = Repository("owner/other", "b" * 40)
    server.files["owner/other"] = {"second.safetensors": LARGE + LARGE}
    reports: list[tuple[float, str]] = []
    wanted = [(MODEL, (CONFIG, WEIGHTS)), (other, ("second.safetensors",))]
    hub.locate_all(wanted, report=lambda *report: reports.append(report))
    fractions, sentences = zip(*reports, strict=True)
    assert list(fractions) == sorted(fractions) and fractions[-1] == 1.0
    total = 3 * len(LARGE) / 1000
    assert f"Downloading {WEIGHTS}: 0.00 of {total:.2f} kB" in sentences
    assert f"Downloading second.safetensors: {total:.2f} of {total:.2f} kB" in sentences
    assert len(set(sentences)) == len(sentences) > 20
    third = sentences.index(f"Checking {WEIGHTS}")
    assert fractions[third] == pytest.approx(1 / 3)


@pytest.mark.parametrize("kind", ["cut", "reset"])
def test_a_connection_lost_once_is_taken_up_again(
    kind: str, server: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(huggingface_hub.constants, "DOWNLOAD_CHUNK_SIZE", 100)
    server.faults = [Fault(kind, WEIGHTS, times=1)]
    reports: list[float] = []
    hub.locate_all([(MODEL, (WEIGHTS,))], report=lambda done, _: reports.append(done))
    path = hub.find(MODEL, WEIGHTS)
    assert path.read_bytes() == LARGE
    assert files_in(tmp_path) == [hashlib.sha256(LARGE).hexdigest()]
    assert reports[-1] == 1.0
    if kind == "cut":
        assert server.gets() == ["", f"bytes={len(LARGE) // 2}-"], "the first half was kept"


def test_a_stumbling_hub_is_asked_again(server: FakeHub):
    server.faults = [Fault("503", times=1, method="HEAD"), Fault("502", times=1)]
    assert (locate(MODEL, (WEIGHTS,)) / WEIGHTS).read_bytes() == LARGE


FAULTS = {
    "gone name": ([], Repository("owner/gone", "a" * 40), "owner/gone was not found .*hf auth"),
    "gone commit": ([], Repository("owner/model", "v9"), "has no revision 'v9'"),
    "gone file": ([], MODEL, r"has no file no/such\.json: it is not laid out"),
    "gated": ([Fault("gated", method="HEAD")], MODEL, "is gated: accept its terms .*hf auth login"),
    "gated later": ([Fault("gated")], MODEL, "is gated: accept its terms"),
    "401": ([Fault("401", method="HEAD")], MODEL, r"does not let .*\(401\).*hf auth login"),
    "403": ([Fault("403", method="HEAD")], MODEL, r"does not let .*\(403\).*hf auth login"),
    "404": ([Fault("404", method="HEAD")], MODEL, "was not found"),
    "418": ([Fault("418", method="HEAD")], MODEL, "answered 418"),
    "429": ([Fault("429", method="HEAD")], MODEL, r"too often from here \(429\)"),
    "500": ([Fault("500", method="HEAD")], MODEL, r"in trouble \(500\)"),
    "503 later": ([Fault("503")], MODEL, r"in trouble \(503\)"),
    "not a hub": ([Fault("page", method="HEAD")], MODEL, "is not a Hugging Face Hub"),
    "nothing": ([Fault("nothing")], MODEL, "was cut again and again"),
    "resets": ([Fault("reset")], MODEL, "was cut again and again"),
    "other bytes": ([Fault("flipped")], MODEL, "was not the file that owner/model publishes"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_a_fault_is_one_sentence_and_leaves_nothing_behind(
    case: str, server: FakeHub, tmp_path: Path
):
    faults, repository, words = FAULTS[case]
    server.faults = faults
    file = "no/such.json" if case == "gone file" else WEIGHTS
    with pytest.raises(CheckpointError, match=words) as caught:
        locate(repository, (file,))
    message = str(caught.value)
    assert repository.name in message or server.address in message
    assert "\n" not in message and message.endswith(".") and "Traceback" not in message
    assert files_in(tmp_path) == []
    assert not list(tmp_path.rglob("*.safetensors"))
    for fault in faults:
        fault.times = 0
    if case.startswith("gone"):
        return
    assert (locate(repository, (file,)) / file).read_bytes() == LARGE, "the way is free again"


def test_a_stall_ends_in_words(server: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.1)
    server.faults = [Fault("stall", WEIGHTS)]
    server.files["owner/model"][WEIGHTS] = b"x" * 11_000
    with pytest.raises(CheckpointError, match="stopped answering while sending unet/model"):
        locate(MODEL, (WEIGHTS,))
    assert files_in(tmp_path) == []


def test_nobody_at_that_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    point_the_client_to("http://127.0.0.1:9", tmp_path, monkeypatch)
    with pytest.raises(CheckpointError, match=r"127\.0\.0\.1:9 cannot be reached .*refused"):
        locate(MODEL, (CONFIG,))
    point_the_client_to("http://nowhere.invalid", tmp_path, monkeypatch)
    with pytest.raises(CheckpointError, match=r"nowhere\.invalid cannot be reached"):
        locate(MODEL, (CONFIG,))
    huggingface_hub.close_session()


def test_a_small_disk_is_told_before_anything_is_fetched(
    server: FakeHub, monkeypatch: pytest.MonkeyPatch
):
    server.files["owner/model"]["big.safetensors"] = bytes(300_000_000)
    usage = SimpleNamespace(free=100_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(CheckpointError, match=r"room for 0\.1 GB, and 0\.3 GB are to be") as caught:
        locate(MODEL, ("big.safetensors",))
    assert str(download.cache_folder()) in str(caught.value)
    assert server.gets() == []


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "ran full while unet/model.* HF_HOME to another disk"),
        (errno.EROFS, "cannot be used for downloads .* HF_HOME"),
        (errno.EACCES, "cannot be used for downloads .* HF_HOME"),
    ],
)
def test_a_disk_that_refuses_in_the_middle(
    number: int, words: str, server: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def write(url: str, temp_file: object, **options: object) -> None:
        temp_file.write(LARGE[:1000])  # type: ignore[attr-defined]
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("huggingface_hub.file_download.http_get", write)
    with pytest.raises(CheckpointError, match=words):
        locate(MODEL, (WEIGHTS,))
    assert files_in(tmp_path) == []


def test_a_cache_folder_that_cannot_be_one(server: FakeHub, monkeypatch: pytest.MonkeyPatch):
    path = download.cache_folder()
    path.parent.mkdir(parents=True)
    path.write_text("a file in the way")
    with pytest.raises(CheckpointError, match="cannot be used for downloads"):
        locate(MODEL, (CONFIG,))


def test_the_token_goes_to_the_hub_and_into_no_message(
    server: FakeHub, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    server.faults = [Fault("403", method="HEAD")]
    with pytest.raises(CheckpointError) as caught:
        locate(MODEL, (CONFIG,))
    assert server.tokens == {"Bearer hf_secret"} and "hf_secret" not in str(caught.value)


def test_without_half_precision_the_plain_file_is_taken(server: FakeHub):
    files = server.files["owner/model"]
    files["unet/model.safetensors"] = files.pop(WEIGHTS)
    path = hub.find(MODEL, WEIGHTS)
    assert path.name == "model.safetensors" and path.read_bytes() == LARGE
    server.requests.clear()
    assert hub.find(MODEL, WEIGHTS) == path and server.requests == []


def test_a_branch_that_moves_gives_files_of_one_commit(server: FakeHub):
    branch = Repository("owner/model")
    old = locate(branch, (CONFIG,))
    assert old.name == NEWEST
    server.commits["main"] = "f" * 40
    server.files["owner/model"][WEIGHTS] = b"y" * 20_000
    assert locate(branch, (CONFIG,)) == old, "what is here is good enough"
    new = locate(branch, (CONFIG, WEIGHTS))
    assert new.name == "f" * 40 and (new / CONFIG).is_file()
    hub.locate_all([(branch, (CONFIG, WEIGHTS))], download=False)
    assert locate(branch, (CONFIG, WEIGHTS)) == new


def test_a_damaged_file_is_found_and_removed(server: FakeHub, tmp_path: Path):
    path = locate(MODEL, (CONFIG, WEIGHTS)) / WEIGHTS
    assert hub.check(MODEL, WEIGHTS) == path and hub.check(MODEL, CONFIG).name == "config.json"
    blob = path.resolve()
    blob.chmod(0o644)
    blob.write_bytes(LARGE[:-1] + b"\0")
    with pytest.raises(CheckpointError, match="has been removed: download it again"):
        hub.check(MODEL, WEIGHTS)
    assert not path.exists() and not blob.exists()
    assert hub.check(MODEL, CONFIG).is_file()
    locate(MODEL, (WEIGHTS,))
    assert hub.check(MODEL, WEIGHTS) == path


def test_a_cache_without_links_is_checked_against_the_hub(server: FakeHub):
    path = locate(MODEL, (WEIGHTS,)) / WEIGHTS
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)
    server.requests.clear()
    assert hub.check(MODEL, WEIGHTS) == path
    assert [method for method, _, _ in server.requests] == ["HEAD"]


def test_what_lies_in_a_cache_without_links_is_what_is_asked_about(server: FakeHub):
    def here(repository: Repository, file: str) -> Path:
        path = hub.find(repository, file)
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content)
        return path

    files, branch = server.files["owner/model"], Repository("owner/model")
    files["unet/model.safetensors"] = half = files.pop(WEIGHTS)
    twin, config = here(MODEL, WEIGHTS), here(branch, CONFIG)
    files[WEIGHTS] = half[:-9]  # published later, beside the twin
    server.commits["main"] = "f" * 40
    server.requests.clear()
    assert hub.check(MODEL, WEIGHTS) == twin and twin.read_bytes() == half
    assert hub.check(branch, CONFIG) == config
    assert [path for _, path, _ in server.requests] == [
        f"/owner/model/resolve/{MODEL.revision}/unet/model.safetensors",
        f"/owner/model/resolve/{NEWEST}/{CONFIG}",
    ]
    twin.write_bytes(half[:-9])  # all the same it must be whole
    with pytest.raises(CheckpointError, match="has been removed: download it again"):
        hub.check(MODEL, WEIGHTS)


def test_the_commit_of_what_is_here(server: FakeHub):
    branch = Repository("owner/model")
    assert hub.commit_of(branch, CONFIG) == ""
    locate(branch, (CONFIG,))
    server.requests.clear()
    assert hub.commit_of(branch, CONFIG) == NEWEST and server.requests == []


def test_files_of_a_folder_of_this_machine(tmp_path: Path):
    (tmp_path / "a.json").touch()
    (tmp_path / "b.safetensors").touch()
    repository = Repository("here", folder=tmp_path)
    assert locate(repository, ("a.json", "b.fp16.safetensors")) == tmp_path
    with pytest.raises(CheckpointError, match=r"c\.safetensors is missing: it is not laid out"):
        locate(repository, ("a.json", "c.safetensors"))


def test_the_hash_of_a_file(tmp_path: Path):
    (tmp_path / "x").write_bytes(LARGE * 20)
    assert download.sha256(tmp_path / "x") == hashlib.sha256(LARGE * 20).hexdigest()
