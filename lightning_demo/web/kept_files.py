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

from .modules import preloads

FOR_EVER = "private, max-age=31536000, immutable"
Endpoint = Callable[[Request], Awaitable[Response]]


class KeptFile:
    """A small file of ours as it was when it last changed.

    It is looked at whenever it is asked for, so that an update is seen at once.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        self._seen: tuple[int, int] | None = None  # time of change, ns, and bytes
        self._data, self._tag = b"", ""

    def read(self) -> tuple[bytes, str]:
        """Its bytes, and their tag.

        Raises:
            OSError: it is gone.
        """
        about = self.path.stat()
        if (about.st_mtime_ns, about.st_size) != self._seen:
            self._data = self.path.read_bytes()
            self._tag = _tag(self._data)
            self._seen = about.st_mtime_ns, about.st_size
        return self._data, self._tag


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

    def page(self, name: str) -> Endpoint:
        """Answers with one of them that is a page, by which a browser gets the others.

        Args:
            name: of an HTML file that names others as `web/…`, and has a module of its own name.
        """
        file, entry = self._files[name], name.replace(".html", ".js")

        async def answer(request: Request) -> Response:
            text, folder = file.read()[0].decode(), self.address()
            text = text.replace('="web/', f'="{folder}/')
            data = text.replace("</head>", preloads(folder, entry) + "</head>").encode()
            return _response(request, data, _tag(data), file.media_type, "no-cache")

        return answer

    async def _answer(self, request: Request) -> Response:
        file = self._files.get(request.path_params["name"])
        if file is None:
            raise HTTPException(404)
        folder = request.url.path.rpartition("/")[0]
        now = bool(self._address) and folder.endswith(f"/{self._address}")
        return _response(request, *file.read(), file.media_type, FOR_EVER if now else "no-cache")


def _tag(data: bytes) -> str:
    return f'"{hashlib.sha256(data).hexdigest()[:32]}"'


def _response(request: Request, data: bytes, tag: str, media_type: str, caching: str) -> Response:
    """A file, or that nothing is new."""
    headers = {"Cache-Control": caching, "ETag": tag}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(data, headers=headers, media_type=media_type)
