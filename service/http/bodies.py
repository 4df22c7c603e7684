"""Request bodies, read within limits."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Callable, Iterator
from time import monotonic
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.types import Message, Scope

from facet_vision.prompts_store.errors import shown
from facet_vision.service.errors import (
    BadRequest,
    BodyTimeout,
    BodyTooLarge,
    InvalidBody,
    UnsupportedMedia,
)
from facet_vision.service.predictor.decoder import ImageBytes
from facet_vision.service.settings import Settings

from .error_forms import sentence

T = TypeVar("T")
Document = TypeVar("Document", bound=BaseModel)

MAX_FIELDS = 1000
MAX_FIELD_BYTES = 64 * 1024

LARGE_BYTES = 1024 * 1024
"""More bytes are put together, parsed and decoded on a thread, for that takes long enough to be
noticed."""

CHARSETS = ("utf-8", "utf8", "us-ascii", "iso-8859-1")
"""Encodings that a form may name for its texts. Python knows more: some make text that is none
(utf-7), fail in ways of their own (idna) or take quadratic time (punycode), and it remembers every
name that it is asked for."""

MIN_BYTES_PER_SECOND = 1024
"""A body that arrives more slowly than this for long is given up; the slowest mobile link is ten
times as fast."""


def media_type(request: Request) -> str:
    """Return the body's content type without parameters, in lower case; empty if absent."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def announced_bytes(headers: Headers) -> int | None:
    """Return the length that the headers announce; None if they hold no valid one."""
    length = headers.get("content-length", "")
    return int(length) if length.isdecimal() else None


def has_body(scope: Scope) -> bool:
    """Return whether a request's headers say that it has a body."""
    headers = Headers(scope=scope)
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


async def read_bytes(request: Request, limit: int, what: str, idle_seconds: float) -> bytes:
    """Read a raw body of at most `limit` bytes.

    Args:
        request: the request.
        limit: bytes.
        what: the expected content, for the message of an error.
        idle_seconds: longest pause between two parts of the body.

    Raises:
        BodyTooLarge: more bytes arrive, or are announced.
        BodyTimeout: nothing arrives for `idle_seconds`.
        BadRequest: the body is empty.
    """
    parts = [part async for part in bounded(request, limit, what, idle_seconds).stream()]
    if not (size := sum(map(len, parts))):
        raise BadRequest(f"body: expected {what}, found no bytes")
    return await aside_if_large(size, lambda: b"".join(parts))


async def read_document(request: Request, settings: Settings, model: type[Document]) -> Document:
    """Read a JSON document that holds images, of at most `max_request_bytes`.

    Raises:
        UnsupportedMedia: the body is of another type.
        InvalidBody: it is no such document.
        BodyTooLarge, BodyTimeout, BadRequest: see `read_bytes`.
    """
    if media_type(request) != "application/json":
        raise UnsupportedMedia(
            f"Content-Type: expected application/json, found {media_type(request)!r}"
        )
    limit, idle_seconds = settings.max_request_bytes, settings.idle_body_seconds
    data = await read_bytes(request, limit, "a JSON document", idle_seconds)

    def parse() -> Document:
        try:
            return model.model_validate_json(data)
        except ValidationError as error:
            raise InvalidBody(sentence(error)) from None

    return await aside_if_large(len(data), parse)


async def aside_if_large(size: int, work: Callable[[], T]) -> T:
    """Return what `work` on so many bytes returns; if they are many, a thread calls it."""
    return await asyncio.to_thread(work) if size > LARGE_BYTES else work()


async def read_images(request: Request, settings: Settings) -> list[ImageBytes]:
    """Read the images of a predict call: one as a raw body, or several as `file` parts of a form.

    Raises:
        UnsupportedMedia: the body is neither of the two.
        BadRequest: the body is empty, or a form with other parts than `file`.
        BodyTooLarge: an image, or the whole, is over its limit.
    """
    kind = media_type(request)
    if kind == "multipart/form-data":
        images, _ = await read_form(request, settings, fields=())
        return images
    if not kind.startswith("image/") and kind not in ("", "application/octet-stream"):
        raise UnsupportedMedia(
            "Content-Type: expected image/*, application/octet-stream or multipart/form-data, "
            f"found {kind!r}"
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
        The images in their order, and the values of each field (an empty list for an absent one).

    Raises:
        UnsupportedMedia: the body is no form.
        BadRequest: the form has no file, or an unknown part.
        BodyTooLarge: an image, or the whole, is over its limit.
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
    _check_charset(request)
    limited = bounded(request, settings.max_request_bytes, "a form", settings.idle_body_seconds)
    parser = _InMemoryParser(
        limited.headers,
        limited.stream(),
        max_files=settings.max_images,
        max_fields=MAX_FIELDS,
        max_part_size=MAX_FIELD_BYTES,
    )
    try:
        return await parser.parse()
    except MultiPartException as error:
        raise BadRequest(
            f"form: expected at most {settings.max_images} files in valid parts, "
            f"found: {error.message}"
        ) from None


def _check_charset(request: Request) -> None:
    """Refuse a form whose texts are in another encoding than those of `CHARSETS`.

    Raises:
        UnsupportedMedia: it names one.
    """
    _, options = parse_options_header(request.headers["content-type"])
    named = options.get(b"charset", b"utf-8").decode("latin-1")
    if named.lower() not in CHARSETS:
        raise UnsupportedMedia(f"charset of the form: expected utf-8, found {shown(named)}")


def _files(form: FormData, fields: tuple[str, ...]) -> Iterator[UploadFile]:
    """Yield the `file` parts in order.

    Raises:
        BadRequest: a part is neither a file nor one of the named text fields.
    """
    for name, value in form.multi_items():
        is_file = isinstance(value, UploadFile)
        known = name == "file" if is_file else name in fields
        if not known:
            kind = "file" if is_file else "text"
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
    """Return the same request, whose body raises once it is over the limit or stops arriving.

    Raises:
        BodyTooLarge: the request announces more than the limit.
    """
    length = announced_bytes(request.headers) or 0
    if length > limit:
        raise BodyTooLarge(
            f"body: expected {what} of at most {limit} bytes, found {length} announced"
        )
    received = 0
    begun = monotonic()

    async def receive() -> Message:
        nonlocal received
        # A pause may last so long, unless the body as a whole is behind.
        ahead = begun + idle_seconds + received / MIN_BYTES_PER_SECOND - monotonic()
        pause = min(idle_seconds, ahead)
        try:
            async with asyncio.timeout(pause):
                message = await request.receive()
        except TimeoutError:
            raise BodyTimeout(
                f"body: expected more bytes, found none for {pause:.3g} seconds after {received}"
            ) from None
        # Counted on arrival as well: what a client announces may be wrong or missing.
        received += len(message.get("body", b""))
        if received > limit:
            raise BodyTooLarge(f"body: expected {what} of at most {limit} bytes, found more")
        return message

    return Request(request.scope, receive)


class _InMemoryParser(MultiPartParser):
    """Starlette's parser without its temporary files, which notices a form that was cut off.

    The size of a form is bounded, and the disk may be read-only.
    """

    spool_max_size = sys.maxsize

    def __init__(
        self, headers: Headers, stream: AsyncGenerator[bytes, None], **limits: int
    ) -> None:
        super().__init__(headers, self._whole(stream), **limits)
        self._ended = False

    async def _whole(self, stream: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        """Pass the body on; raise where it ends before its closing boundary.

        Raised within the stream, the error makes the parser close the files that it has begun.
        """
        async for chunk in stream:
            yield chunk
        if not self._ended:
            raise MultiPartException("no closing boundary.")

    def on_end(self) -> None:
        """Note the closing boundary."""
        self._ended = True
