"""Files of very many parts, or of parts that cost far more than they say, are refused at once."""

import struct
import zlib
from collections.abc import Callable
from time import perf_counter

import numpy as np
import pytest
from PIL import Image

from facet_vision import backbone
from facet_vision.backbone.headers import reading
from tests.backbone.test_decode import jpeg
from tests.backbone.test_preprocess import encoded, noise

LIMIT = 64_000_000


def chunk(kind: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(*chunks: bytes) -> bytes:
    """A small PNG with more chunks before its pixels."""
    data = encoded(noise())
    return data[:33] + b"".join(chunks) + data[33:]


def tiff(fields: dict[int, tuple[int, bytes, int]], order: str = "<") -> bytes:
    """A TIFF of one directory: each tag with its type, its values and how many they are."""
    place = 8 + 2 + 12 * len(fields) + 4
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    entries, values = struct.pack(order + "H", len(fields)), b""
    for tag, (kind, body, count) in sorted(fields.items()):
        entries += struct.pack(order + "HHI", tag, kind, count)
        if len(body) > 4:
            entries += struct.pack(order + "I", place + len(values))
            values += body
        else:
            entries += body.ljust(4, b"\0")
    return head + entries + b"\0\0\0\0" + values


def longs(*values: int) -> tuple[int, bytes, int]:
    return 4, struct.pack(f"<{len(values)}I", *values), len(values)


def grey_tiff(width: int, height: int, **more: tuple[int, bytes, int]) -> bytes:
    fields = {256: longs(width), 257: longs(height), 258: longs(8), 259: longs(1), 262: longs(1)}
    return tiff(fields | {int(name[1:]): field for name, field in more.items()})


def sequential(scans: int, size: tuple[int, int] = (200, 100)) -> bytes:
    """A JPEG that is not progressive, whose three colours have scans of their own, many times."""
    data = jpeg(size, subsampling=0)
    start = data.index(b"\xff\xda")
    one = data[start : start + 2] + b"\0\x08\1\1\0\0\x3f\0" + data[start + 14 : -2]
    return data[:start] + one * scans + data[-2:]


def many_strips() -> bytes:
    return grey_tiff(1, 100_000, t273=longs(*[8] * 100_000), t278=longs(1))


def huge_tile() -> bytes:
    return grey_tiff(10, 10, t322=longs(40_000), t323=longs(40_000), t324=longs(8))


def many_pages() -> bytes:
    one = tiff({256: longs(1), 257: longs(1)})[8:-4]
    pages = [one + struct.pack("<I", 8 + (index + 1) * (len(one) + 4)) for index in range(300_000)]
    return b"II*\0" + struct.pack("<I", 8) + b"".join(pages)


def many_comments() -> bytes:
    data = encoded(noise(), "GIF")
    at = data.index(b"\x2c")
    return data[:at] + b"\x21\xfe\1a\0" * 1_000_000 + data[at:]


def small_segments() -> bytes:
    data = jpeg()
    large = b"\xff\xe1\xff\xffExif\0\0".ljust(65_537, b"\0")
    return data[:2] + large * 300 + b"\xff\xe1\0\x0aExif\0\0ab" * 10_000 + data[2:]


def profiles() -> bytes:
    one = chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(1_000_000), 9))
    return png(*[one] * 5_000)


def run_lengths() -> bytes:
    """A BMP whose pixels Pillow unpacks in Python."""
    size = 4000
    body = b"\xff\1" * 16 * size * 8
    palette = bytes(1024)
    head = struct.pack("<IiiHHIIiiII", 40, size, size, 1, 8, 1, len(body), 0, 0, 256, 0)
    offset = 14 + len(head) + len(palette)
    return struct.pack("<2sIHHI", b"BM", offset + len(body), 0, 0, offset) + head + palette + body


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: sequential(3000), "a JPEG of 200 x 100 pixels in at most 1000 scans"),
        (small_segments, "a JPEG of at most 512 segments before its first scan"),
        (profiles, "a PNG of at most 64 chunks of compressed metadata"),
        (lambda: png(*[chunk(b"tEXt", b"a\0b")] * 300_000), "read in at most"),
        (lambda: png(chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(50_000_000), 9))), "damaged"),
        (many_comments, "read in at most"),
        (many_strips, "a TIFF of at most 65536 strips, tiles or other values in a field"),
        (huge_tile, "TIFF tiles of at most 64000000 pixels, found 40000 x 40000"),
        (run_lengths, "read in at most"),
    ],
    ids=[
        "scans of a sequential JPEG",
        "segments",
        "profiles",
        "text chunks",
        "a text that expands",
        "comments",
        "strips",
        "a tile",
        "run lengths",
    ],
)
def test_what_costs_more_than_any_encoder_asks_for_is_refused_at_once(
    make: Callable[[], bytes], words: str
) -> None:
    data = make()
    begun = perf_counter()
    with pytest.raises(backbone.ImageError, match=words) as caught:
        backbone.decode_image(data, max_pixels=LIMIT if "1000 scans" not in words else 2_000_000)
    assert "\n" not in str(caught.value)
    assert perf_counter() - begun < 1.5


def test_pixels_outside_of_the_image_count_in_tiles() -> None:
    data = grey_tiff(1, 8000, t322=longs(8000), t323=longs(8000), t324=longs(8))
    assert backbone.open_image(data).work == 8000
    tall = grey_tiff(1, 800_000, t322=longs(4000), t323=longs(64), t324=longs(8))
    with pytest.raises(
        backbone.ImageError, match="a TIFF of 1 x 800000 pixels in at most 800 pass"
    ):
        backbone.open_image(tall)


@pytest.mark.parametrize("number", [6, 34925, 50000, 50001])
def test_rare_compressions_of_tiffs_are_refused_by_number(number: int) -> None:
    data = tiff({256: longs(9), 257: longs(9), 259: longs(number), 273: longs(8)})
    words = f"a TIFF compressed by one of none, CCITT, LZW, .* PackBits, found number {number}$"
    with pytest.raises(backbone.ImageError, match=words):
        backbone.open_image(data)


@pytest.mark.parametrize(
    "compression",
    [None, "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "packbits", "jpeg", "group4"],
)
def test_usual_compressions_of_tiffs_are_read(compression: str | None) -> None:
    image = noise().convert("1") if compression == "group4" else noise()
    found = backbone.decode_image(encoded(image, "TIFF", compression=compression))
    assert (found.mode, found.size) == ("RGB", (20, 12))


def test_the_scans_of_jpegs_in_a_tiff_count() -> None:
    def holding(strip: bytes, size: int) -> bytes:
        more = {"t273": longs(8 + 2 + 12 * 8 + 4), "t278": longs(100), "t279": longs(size)}
        return grey_tiff(200, 100, t259=longs(7), **more) + strip

    one = sequential(30)
    assert backbone.open_image(holding(one, len(one))).work == 30 * 200 * 100
    with pytest.raises(backbone.ImageError, match="expected TIFF strips of at most"):
        backbone.open_image(holding(one, 10**9))


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF", "AVIF"])
def test_of_a_long_animation_only_the_first_frame_is_read(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = [Image.new("RGB", (64, 48), (shade, 90, 250 - shade)) for shade in range(0, 240, 4)]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    monkeypatch.setattr(reading, "MAX_READS", 60)  # each of the 60 frames takes several
    monkeypatch.setattr(reading, "BYTES_PER_READ", 10**9)
    found = np.asarray(backbone.decode_image(data))
    assert np.abs(found.astype(int) - (0, 90, 250)).max() < 12


def test_many_pages_of_a_tiff_are_not_walked() -> None:
    data = many_pages()
    begun = perf_counter()
    with pytest.raises(backbone.ImageError):
        backbone.decode_image(data)
    assert perf_counter() - begun < 1
