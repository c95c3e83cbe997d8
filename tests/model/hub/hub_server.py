"""A small Hugging Face Hub: real HTTP, the real one's headers and errors, and faults to order."""

from __future__ import annotations

import hashlib
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import huggingface_hub
import pytest

NEWEST = "e" * 40  # the commit that "main" points to


@dataclass
class Fault:
    """What goes wrong, for files whose name ends in `file`, the next `times` times."""

    kind: str  # a status as text, "gated", "page", "cut", "nothing", "reset", "stall", "flipped"
    file: str = ""
    times: int = 10**6
    method: str = "GET"


@dataclass
class FakeHub:
    """Files by "owner/name", and everything that was asked."""

    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    commits: dict[str, str] = field(default_factory=dict)  # revision -> commit, beside commits
    faults: list[Fault] = field(default_factory=list)
    requests: list[tuple[str, str, str]] = field(default_factory=list)  # method, path, range
    tokens: set[str] = field(default_factory=set)
    released: threading.Event = field(default_factory=threading.Event)  # ends every stall
    address: str = ""

    def add(self, name: str, folder: Path, renamed: dict[str, str] | None = None) -> None:
        """Publishes a folder's files, some under other names."""
        new = renamed or {}
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                file = path.relative_to(folder).as_posix()
                self.files.setdefault(name, {})[new.get(file, file)] = path.read_bytes()

    def fault(self, method: str, file: str) -> str:
        """The kind of the fault that is due, counted down."""
        for fault in self.faults:
            if fault.times > 0 and fault.method == method and file.endswith(fault.file):
                fault.times -= 1
                return fault.kind
        return ""

    def gets(self, file: str = "") -> list[str]:
        """The ranges of all downloads of a file."""
        return [part for method, path, part in self.requests if method == "GET" and file in path]


class _Handler(BaseHTTPRequestHandler):
    """HEAD and GET of /owner/name/resolve/revision/file; nothing else is there."""

    protocol_version = "HTTP/1.1"
    hub: FakeHub

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _answer(self) -> None:
        path = unquote(self.path)
        part = self.headers.get("Range", "")
        if "/resolve/" not in path:  # the client's own questions, not about a file
            return self._refuse(404, "")
        self.hub.requests.append((self.command, path, part))
        self.hub.tokens.add(self.headers.get("Authorization", ""))
        name, _, rest = path.strip("/").partition("/resolve/")
        revision, _, file = rest.partition("/")
        fault = self.hub.fault(self.command, file)
        commit = self.hub.commits.get(revision, revision if len(revision) == 40 else "")
        if fault.isdigit():
            self._refuse(int(fault), "")
        elif fault == "gated":
            self._refuse(403, "GatedRepo")
        elif fault == "page":
            self._send(200, b"<html>Sign in to this network</html>", {})
        elif name not in self.hub.files:
            self._refuse(401, "RepoNotFound")
        elif not commit:
            self._refuse(404, "RevisionNotFound")
        elif file not in self.hub.files[name]:
            self._refuse(404, "EntryNotFound", {"X-Repo-Commit": commit})
        else:
            self._serve(self.hub.files[name][file], commit, part, fault)

    def _serve(self, content: bytes, commit: str, part: str, fault: str) -> None:
        large = len(content) > 10_000 or content[8:9] == b"{"  # as if kept by Git LFS
        etag = hashlib.sha256(content).hexdigest() if large else git_hash(content)
        headers = {"X-Repo-Commit": commit, "ETag": f'"{etag}"', "Accept-Ranges": "bytes"}
        if large:
            headers |= {"X-Linked-ETag": f'"{etag}"', "X-Linked-Size": str(len(content))}
        if fault == "flipped":
            content = content[:-1] + bytes([content[-1] ^ 1])
        start = int(part.removeprefix("bytes=").rstrip("-")) if part else 0
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self._send(206 if start else 200, content[start:], headers, fault)

    def _send(self, status: int, body: bytes, headers: dict[str, str], fault: str = "") -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if fault == "reset":
            self.close_connection = True
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            return
        if fault in ("cut", "nothing", "stall"):
            self.wfile.write(b"" if fault == "nothing" else body[: len(body) // 2])
            self.wfile.flush()
            if fault == "stall":
                self.hub.released.wait(60)
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_WR)
            return
        self.wfile.write(body)

    def _refuse(self, status: int, code: str, headers: dict[str, str] | None = None) -> None:
        extra = {"X-Error-Code": code} if code else {}
        self._send(status, b"", {**extra, **(headers or {})})


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # a client that hangs up is what some tests are about


def git_hash(content: bytes) -> str:
    """How git names a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


@contextmanager
def serve_as_the_hub(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """Runs a Hub and makes the client ask it, with an empty cache below `folder`.

    The client's waits between tries are left out.
    """
    hub = FakeHub(commits={"main": NEWEST})
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    point_the_client_to(hub.address, folder, monkeypatch)
    try:
        yield hub
    finally:
        hub.released.set()
        huggingface_hub.close_session()
        server.shutdown()
        server.server_close()
        thread.join()


def point_the_client_to(address: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sets what the Hub client reads from the environment, there and where it keeps it."""
    environment = {
        "HF_ENDPOINT": address,
        "HF_HOME": str(folder),
        "HF_HUB_CACHE": str(folder / "hub"),
        "HF_TOKEN_PATH": str(folder / "token"),
        "HF_HUB_DISABLE_XET": "1",
        "NO_PROXY": "*",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    for name, value in {
        "ENDPOINT": address,
        "HUGGINGFACE_CO_URL_TEMPLATE": address + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HOME": str(folder),
        "HF_HUB_CACHE": str(folder / "hub"),
        "HF_TOKEN_PATH": str(folder / "token"),
        "HF_HUB_DISABLE_XET": True,
        "HF_HUB_OFFLINE": False,
    }.items():
        # The client reads its environment once, when it is imported.
        monkeypatch.setattr(huggingface_hub.constants, name, value)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
