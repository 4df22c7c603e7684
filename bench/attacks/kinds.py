"""Attacks on a server: what one connection sends, again and again."""

import io
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial

import numpy as np
from PIL import Image

Parts = Iterator[bytes]
Attack = Callable[[str], Parts]
"""From the name of a task with many labels to the bytes of one connection."""

MIB = 1024 * 1024
PART = 256 * 1024

BOUNDARY = "frontier"
FORM = f"multipart/form-data; boundary={BOUNDARY}"

SCANS = 3000
"""Scans of the progressive JPEG."""

THIN_PIXELS = 300_000
HEAVY_SIDE = 8000
NAMES = 8_000_000
IMAGES = 5
"""Images whose labels are all asked for."""


def kinds() -> Mapping[str, Attack]:
    """Return the attacks by name."""
    return {
        "long head": lambda _: _long_head(),
        "many headers": lambda _: _many_headers(),
        "long trailer": _long_trailer,
        "many trailers": _many_trailers,
        "chunk extensions": _extensions,
        "tiny chunks": _tiny_chunks,
        "pipelined requests": lambda _: _pipelined(),
        "rubbish": lambda _: _rubbish(),
        "thin images": partial(_image, thin),
        "progressive JPEG": partial(_image, progressive),
        "heavy images": partial(_image, heavy),
        "many names": lambda _: _many_names(),
        "form of boundaries": lambda _: _almost_boundaries(),
        "long part head": lambda _: _part_head(),
        "all labels": _all_labels,
    }


def _head(path: str, *fields: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", "Connection: close", *fields, "", ""]
    return "\r\n".join(lines).encode()


def _chunked(task: str) -> bytes:
    return _head(
        f"/v1/tasks/{task}/predict", "Content-Type: image/png", "Transfer-Encoding: chunked"
    )


def _repeated(unit: bytes, length: int) -> Parts:
    """Yield about `length` bytes of a repeated unit."""
    part = unit * max(1, PART // len(unit))
    for _ in range(max(1, length // len(part))):
        yield part


def _long_head() -> Parts:
    yield b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX: "
    yield from _repeated(b"a", 32 * MIB)


def _many_headers() -> Parts:
    yield b"GET /livez HTTP/1.1\r\nHost: localhost\r\n"
    yield from _repeated(b"X: a\r\n", 6 * MIB)


def _long_trailer(task: str) -> Parts:
    yield _chunked(task) + b"1\r\na\r\n0\r\nX: "
    yield from _repeated(b"a", 32 * MIB)


def _many_trailers(task: str) -> Parts:
    yield _chunked(task) + b"1\r\na\r\n0\r\n"
    yield from _repeated(b"X: a\r\n", 6 * MIB)


def _extensions(task: str) -> Parts:
    yield _chunked(task)
    yield from _repeated(b"1;" + 1000 * b"e" + b"\r\na\r\n", 32 * MIB)


def _tiny_chunks(task: str) -> Parts:
    yield _chunked(task)
    yield from _repeated(b"1\r\na\r\n", 32 * MIB)


def _pipelined() -> Parts:
    yield from _repeated(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n", 4 * MIB)


def _rubbish() -> Parts:
    yield np.random.default_rng(0).bytes(MIB)


def _image(make: Callable[[], bytes], task: str) -> Parts:
    data = make()
    fields = "Content-Type: image/png", f"Content-Length: {len(data)}"
    yield _head(f"/v1/tasks/{task}/predict", *fields) + data


def _form(*parts: tuple[str, bytes]) -> bytes:
    begun = f"--{BOUNDARY}\r\nContent-Disposition: form-data; name="
    ended = f"\r\n--{BOUNDARY}--\r\n".encode()
    return b"\r\n".join(f"{begun}{name}\r\n\r\n".encode() + data for name, data in parts) + ended


def _post_form(body: bytes, path: str = "/v1/predict") -> Parts:
    yield _head(path, f"Content-Type: {FORM}", f"Content-Length: {len(body)}") + body


def _many_names() -> Parts:
    """Send as many names as fit the largest text fields that a form may have."""
    names = b"a," * (32 * 1024 - 1)
    fields = [("tasks", names)] * (NAMES // (len(names) // 2))
    yield from _post_form(_form(("file; filename=a.png", small()), *fields))


def _almost_boundaries() -> Parts:
    """Send a file that seems to end at every step."""
    almost = f"\r\n--{BOUNDARY[:-1]}".encode()
    yield from _post_form(_form(("file; filename=a.png", almost * (16 * MIB // len(almost)))))


def _part_head() -> Parts:
    body = f"--{BOUNDARY}\r\nX: ".encode() + b"a" * (32 * MIB)
    yield from _post_form(body)


def _all_labels(task: str) -> Parts:
    images = [(f"file; filename={number}.png", small(number)) for number in range(IMAGES)]
    yield from _post_form(_form(*images), f"/v1/tasks/{task}/predict?top_k=100000")


@cache
def small(seed: int = 0) -> bytes:
    """Make an image that costs nothing."""
    pixels = np.random.default_rng(seed).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    return _encoded(Image.fromarray(pixels), "PNG")


@cache
def thin() -> bytes:
    """Make an image one pixel wide, which enlarged as a whole would take gigabytes."""
    return _encoded(Image.new("RGB", (1, THIN_PIXELS)), "PNG")


@cache
def heavy() -> bytes:
    """Make an image of as many pixels as are allowed."""
    return _encoded(Image.new("L", (HEAVY_SIDE, HEAVY_SIDE)), "PNG")


@cache
def progressive() -> bytes:
    """Make a progressive JPEG whose last scan is there many times, as a decoder accepts it."""
    data = _encoded(Image.new("RGB", (1000, 1000)), "JPEG")
    start = data.rindex(b"\xff\xda")
    return data[:start] + data[start:-2] * SCANS + data[-2:]


def _encoded(image: Image.Image, form: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **({"progressive": True} if form == "JPEG" else {}))
    return buffer.getvalue()
