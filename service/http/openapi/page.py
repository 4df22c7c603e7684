"""The page that shows the OpenAPI document, whole on this server: it works without a network.

The page and its files are the same on every server and tell nothing of its tasks, so a browser
gets them without a key. The document needs one where the server has keys; the page asks for it.
"""

from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse

PAGE = "/docs"

HEADERS = {
    # Swagger UI sets styles on its elements and draws its icons as data URIs; all else is ours.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "max-age=3600",
}


def _swagger_ui() -> Path:
    # The package is only a carrier of files: nothing of it is imported.
    spec = find_spec("fastapi_offline")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "static"


_OURS = Path(__file__).parent / "page"

_FILES = {
    PAGE: (_OURS / "page.html", "text/html"),
    f"{PAGE}/page.js": (_OURS / "page.js", "text/javascript"),
    f"{PAGE}/page.css": (_OURS / "page.css", "text/css"),
    f"{PAGE}/swagger-ui.js": (_swagger_ui() / "swagger-ui-bundle.js", "text/javascript"),
    f"{PAGE}/swagger-ui.css": (_swagger_ui() / "swagger-ui.css", "text/css"),
}

PATHS = frozenset(_FILES)
"""What is answered without a key."""

router = APIRouter(include_in_schema=False)


def _shows(file: Path, media_type: str) -> Callable[[], Awaitable[FileResponse]]:
    async def show() -> FileResponse:
        return FileResponse(file, headers=HEADERS, media_type=media_type)

    return show


for _path, _file in _FILES.items():
    router.add_api_route(_path, _shows(*_file), methods=["GET"], response_class=FileResponse)
