"""The page's own files, from memory: a hall that comes at once waits for no disk and no thread."""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Awaitable, Callable
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

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
        self._path = path
        self._media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        self._seen: tuple[int, int] | None = None  # time of change, ns, and bytes
        self._data, self._tag = b"", ""

    def answer(self, request: Request) -> Response:
        """The file, or that nothing is new.

        Raises:
            OSError: it is gone.
        """
        about = self._path.stat()
        if (about.st_mtime_ns, about.st_size) != self._seen:
            self._data = self._path.read_bytes()
            self._tag = f'"{hashlib.sha256(self._data).hexdigest()[:32]}"'
            self._seen = about.st_mtime_ns, about.st_size
        headers = {"Cache-Control": "no-cache", "ETag": self._tag}
        if self._tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(self._data, headers=headers, media_type=self._media_type)
