"""The console: a static page at `/`, whose script makes the documented calls.

The page and its files are the same on every server and tell nothing of its tasks, so a browser
gets them without a key. All links in them are relative, so a proxy may put them below any path.
"""

import gzip
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Self

from fastapi import APIRouter, Request, Response

from .caching import is_current

FOLDER = Path(__file__).parents[2] / "console"

PAGE = "index.html"
ICON = "/favicon.ico"

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}
"""Media types by the ends of names; other files are not served."""

HEADERS = {
    # Images that a person has chosen are shown from memory, as blobs. Nothing is from elsewhere.
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob:; object-src 'none'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # Asked for again each time, so that a page and its scripts are of one release.
    "Cache-Control": "no-cache",
    "Vary": "Accept-Encoding",
}


@dataclass(frozen=True)
class Content:
    """A file in memory, plain and compressed.

    Attributes:
        etag: of the file, whichever form is sent; weak, as the forms differ in their bytes.
    """

    plain: bytes
    compressed: bytes
    media_type: str
    etag: str

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read a file of the console."""
        plain = file.read_bytes()
        etag = f'W/"{sha256(plain).hexdigest()[:32]}"'
        return cls(plain, gzip.compress(plain, mtime=0), TYPES[file.suffix], etag)

    def answer(self, request: Request) -> Response:
        """Return the response to a request for it."""
        headers = HEADERS | {"ETag": self.etag}
        if is_current(self.etag, request):
            return Response(status_code=304, headers=headers)
        if not _takes_gzip(",".join(request.headers.getlist("accept-encoding"))):
            return Response(self.plain, headers=headers, media_type=self.media_type)
        headers["Content-Encoding"] = "gzip"
        return Response(self.compressed, headers=headers, media_type=self.media_type)


def _takes_gzip(accepted: str) -> bool:
    """Return whether an `Accept-Encoding` names gzip, and not with a weight of zero."""
    for choice in accepted.lower().split(","):
        name, *parameters = (part.strip() for part in choice.split(";"))
        if name in ("gzip", "x-gzip"):
            weights = [part[2:] for part in parameters if part.startswith("q=")]
            return not any(weight.strip("0.") == "" for weight in weights)
    return False


def _path(file: Path) -> str:
    return "/" if file.name == PAGE else f"/console/{file.name}"


_FILES = {
    _path(file): Content.read(file) for file in sorted(FOLDER.iterdir()) if file.suffix in TYPES
}

PATHS = frozenset({*_FILES, ICON, ""})
"""What is answered without a key; "" is the prefix of a proxy without the slash behind it, from
where a browser is sent to the page."""

router = APIRouter(include_in_schema=False)


def _shows(content: Content) -> Callable[[Request], Awaitable[Response]]:
    async def show(request: Request) -> Response:
        return content.answer(request)

    return show


for _place, _content in _FILES.items():
    router.add_api_route(_place, _shows(_content), methods=["GET"], response_class=Response)


@router.get(ICON, response_class=Response)
async def no_icon() -> Response:
    """Tell a browser that asks without being told to that there is none: the page names its own."""
    return Response(status_code=204, headers={"Cache-Control": "max-age=86400"})
