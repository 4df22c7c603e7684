"""Reading request bodies within limits, and answering early without cutting a client off."""

import asyncio
import sys
from collections.abc import Iterator, MutableMapping
from typing import Any

from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from facet_vision.service.errors import BadRequest, BodyTimeout, BodyTooLarge, UnsupportedMedia
from facet_vision.service.predictor.decoder import ImageBytes
from facet_vision.service.predictor.wire import SHORT_BODY, is_short
from facet_vision.service.settings import MIB, Settings

MAX_FIELDS = 1000
MAX_FIELD_BYTES = 64 * 1024


def media_type(request: Request) -> str:
    """The body's content type without its parameters, in lower case; empty if there is none."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def announced(headers: Headers) -> int | None:
    """How many bytes a body is said to have, if anything valid is said."""
    length = headers.get("content-length", "")
    return int(length) if length.isdecimal() else None


async def read_bytes(request: Request, limit: int, what: str, idle_seconds: float) -> bytes:
    """Read a raw body of at most `limit` bytes.

    Raises:
        BodyTooLarge: more bytes arrive, or are announced.
        BodyTimeout: nothing arrives for `idle_seconds`.
        BadRequest: the body is empty.
    """
    body = await bounded(request, limit, what, idle_seconds).body()
    if not body:
        raise BadRequest(f"body: expected {what}, found no bytes")
    return body


async def read_images(request: Request, settings: Settings) -> list[ImageBytes]:
    """Read the images of a predict call: one as a raw body, or several as `file` parts of a form.

    Raises:
        UnsupportedMedia: the body is neither of the two.
        BadRequest: the body is empty, or a form with other parts than `file`.
        BodyTooLarge: an image, or the whole, is over its limit.
    """
    if media_type(request) == "multipart/form-data":
        images, _ = await read_form(request, settings, fields=())
        return images
    if not media_type(request).startswith("image/") and media_type(request) not in (
        "",
        "application/octet-stream",
    ):
        raise UnsupportedMedia(
            f"Content-Type: expected image/*, application/octet-stream or multipart/form-data, "
            f"found {media_type(request)!r}"
        )
    data = await read_bytes(
        request, settings.max_image_bytes, "an image", settings.idle_body_seconds
    )
    return [ImageBytes(data)]


async def read_form(
    request: Request, settings: Settings, fields: tuple[str, ...]
) -> tuple[list[ImageBytes], dict[str, list[str]]]:
    """Read a form of one or more `file` parts and the named text fields.

    Returns:
        The images in their order, and the values of each field (an empty list where it is not given).
    """
    if media_type(request) != "multipart/form-data":
        raise UnsupportedMedia(
            f"Content-Type: expected multipart/form-data, found {media_type(request)!r}"
        )
    form = await _parse(request, settings)
    try:
        images = [await _image(part, settings.max_image_bytes) for part in _files(form, fields)]
    finally:
        await form.close()
    if not images:
        raise BadRequest("form: expected at least one part 'file' with a file name, found none")
    return images, {field: [str(value) for value in form.getlist(field)] for field in fields}


async def _parse(request: Request, settings: Settings) -> FormData:
    limited = bounded(request, settings.max_request_bytes, "a form", settings.idle_body_seconds)
    limits = {
        "max_files": settings.max_images,
        "max_fields": MAX_FIELDS,
        "max_part_size": MAX_FIELD_BYTES,
    }
    try:
        return await _InMemoryParser(limited.headers, limited.stream(), **limits).parse()
    except MultiPartException as error:
        raise BadRequest(
            f"form: expected at most {settings.max_images} files in valid parts, found: {error.message}"
        ) from None


def _files(form: FormData, fields: tuple[str, ...]) -> Iterator[UploadFile]:
    """The `file` parts, in their order; any part that is neither a file nor a known text field is refused."""
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            kind, known = "file", name == "file"
        else:
            kind, known = "text", name in fields
        if not known:
            expected = f"the file part 'file'{_also(fields)}"
            raise BadRequest(f"form: expected {expected}, found a {kind} part {name[:60]!r}")
        if isinstance(value, UploadFile):
            yield value


def _also(fields: tuple[str, ...]) -> str:
    return f" and the text part {', '.join(map(repr, fields))}" if fields else ""


async def _image(upload: UploadFile, limit: int) -> ImageBytes:
    name = upload.filename or None
    if (upload.size or 0) > limit:
        raise BodyTooLarge(f"file {name!r}: expected at most {limit} bytes, found {upload.size}")
    return ImageBytes(await upload.read(), name)


def bounded(request: Request, limit: int, what: str, idle_seconds: float) -> Request:
    """The same request, except that its body raises once it is over the limit or stops arriving.

    Raises:
        BodyTooLarge: it announces more than the limit.
    """
    if (length := announced(request.headers) or 0) > limit:
        raise BodyTooLarge(
            f"body: expected {what} of at most {limit} bytes, found {length} announced"
        )
    received = 0

    async def receive() -> Message:
        nonlocal received
        try:
            async with asyncio.timeout(idle_seconds):
                message = await request.receive()
        except TimeoutError:
            raise BodyTimeout(
                f"body: expected more bytes, found none for {idle_seconds:g} seconds"
            ) from None
        received += len(message.get("body", b""))
        if (
            received > limit
        ):  # counted as it arrives: what a client announces may be wrong or missing
            raise BodyTooLarge(f"body: expected {what} of at most {limit} bytes, found more")
        return message

    return Request(request.scope, receive)


class _InMemoryParser(MultiPartParser):
    """Starlette's parser without its temporary files: the form's size is bounded, and a disk may be read-only."""

    spool_max_size = sys.maxsize


SHORT_SECONDS = 0.25
"""How long an answer is held for the rest of a short body."""


class LingeringClose:
    """Middleware: a request that is answered before its body was read is answered all the same.

    Closing a connection while the client still sends makes its kernel discard the answer. So the answer goes out with
    `Connection: close`, then what still arrives is thrown away for a while, and only then the connection ends. A short
    body is read before the answer, and the connection stays: a server that refuses many should not have to shake hands
    with all of them again.
    """

    def __init__(self, app: ASGIApp, *, seconds: float = 5.0, limit: int = 64 * MIB) -> None:
        self._app, self._seconds, self._limit = app, seconds, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not has_body(scope):
            await self._app(scope, receive, send)
            return
        body = _Watched(receive, Headers(scope=scope))

        async def answer(message: MutableMapping[str, Any]) -> None:
            if not body.complete and message["type"] == "http.response.start" and body.is_short:
                await body.discard(SHORT_SECONDS, SHORT_BODY)
            if body.complete:
                await send(message)
            elif message["type"] == "http.response.start":
                await send(
                    {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
                )
            elif message.get("more_body"):
                await send(message)
            else:
                await send({**message, "more_body": True})
                await body.discard(self._seconds, self._limit)
                await send({"type": "http.response.body", "body": b"", "more_body": False})

        await self._app(scope, body.receive, answer)


class _Watched:
    """A request body that knows whether it has arrived in full."""

    def __init__(self, receive: Receive, headers: Headers) -> None:
        self._receive = receive
        # Such a client sends nothing before it is asked to.
        self._held_back = headers.get("expect", "").lower() == "100-continue"
        self.is_short = is_short(announced(headers))
        self.complete = False

    async def receive(self) -> Message:
        self._held_back = False
        message = await self._receive()
        self.complete = message["type"] != "http.request" or not message.get("more_body", False)
        return message

    async def discard(self, seconds: float, limit: int) -> None:
        if self._held_back:
            return
        try:
            async with asyncio.timeout(seconds):
                while not self.complete and limit > 0:
                    limit -= len((await self.receive()).get("body", b""))
        except TimeoutError:
            return


def has_body(scope: Scope) -> bool:
    """Whether a request says that it has a body."""
    headers = Headers(scope=scope)
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
