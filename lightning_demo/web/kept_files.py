"""The page's own files, from memory: a hall that comes at once waits for no disk and no thread."""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Awaitable, Callable
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

FOR_EVER = "private, max-age=31536000, immutable"
Endpoint = Callable[[Request], Awaitable[Response]]


def kept_file(path: Path) -> Endpoint:
    """Answers with a small file of ours; whoever has it already is told that it is still so.

    It is asked for again each time, and looked at, so that an update is seen at once.
    """
    kept = KeptFile(path)

    async def answer(request: Request) -> Response:
        return kept.answer(request)

    return answer


class KeptFile:
    """A file as it was when it last changed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        self._seen: tuple[int, int] | None = None  # time of change, ns, and bytes
        self._data, self._tag = b"", ""

    def answer(self, request: Request, *, for_ever: bool = False) -> Response:
        """The file, or that nothing is new.

        Args:
            for_ever: whether it need not be asked for again: its address changes with it.

        Raises:
            OSError: it is gone.
        """
        about = self.path.stat()
        if (about.st_mtime_ns, about.st_size) != self._seen:
            self._data = self.path.read_bytes()
            self._tag = f'"{hashlib.sha256(self._data).hexdigest()[:32]}"'
            self._seen = about.st_mtime_ns, about.st_size
        headers = {"Cache-Control": FOR_EVER if for_ever else "no-cache", "ETag": self._tag}
        if self._tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(self._data, headers=headers, media_type=self._media_type)


class KeptFolder:
    """All files of a folder: below `/web/`, and below an address that changes with any of them.

    Whoever comes again by the latter asks for none of them: over the network, half of all requests.
    """

    def __init__(self, folder: Path) -> None:
        paths = sorted(path for path in folder.iterdir() if path.is_file())
        self._files = {path.name: KeptFile(path) for path in paths}
        self._address = ""

    def address(self) -> str:
        """Where they are as they are now, relative to the page."""
        known = hashlib.sha256()
        for file in self._files.values():
            about = file.path.stat()
            known.update(f"{file.path.name} {about.st_mtime_ns} {about.st_size}\n".encode())
        self._address = f"web-{known.hexdigest()[:16]}"
        return self._address

    def routes(self) -> list[Route]:
        """Both ways to each file. No path is built from what a visitor sends."""
        return [Route("/web/{name}", self._answer), Route("/web-{version}/{name}", self._answer)]

    async def _answer(self, request: Request) -> Response:
        file = self._files.get(request.path_params["name"])
        if file is None:
            raise HTTPException(404)
        now = request.url.path.rpartition("/")[0].endswith(f"/{self._address}")
        return file.answer(request, for_ever=bool(self._address) and now)
