"""Damaged images of every format that is read, the same for the same seed."""

import io
import random
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from PIL import Image

from facet_vision.backbone import decode

SIZE = (48, 36)
EDGES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF)
HEAD = 400
"""Bytes at the beginning of a file in which sizes, counts and offsets stand."""


def mutated(seed: int) -> bytes:
    """One damaged image."""
    chance = random.Random(seed)
    data = chance.choice(whole())
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        data = chance.choice(WAYS)(data, chance)
    return data


@cache
def whole() -> tuple[bytes, ...]:
    """Undamaged images: every format, with what it knows of modes, frames and compressions."""
    picture = _picture()
    sequence = {"save_all": True, "append_images": [picture.rotate(90), picture.rotate(180)]}
    grey = Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257)
    exif = Image.Exif()
    exif[0x0112] = 6
    images = [
        *(_encoded(picture, "JPEG", **each) for each in ({}, {"progressive": True})),
        _encoded(picture.convert("CMYK"), "JPEG"),
        _encoded(picture, "JPEG", exif=exif),
        *(_encoded(each, "PNG") for each in (picture, picture.convert("RGBA"), grey)),
        _encoded(picture.quantize(16), "PNG", transparency=b"\0\x7f"),
        _encoded(picture, "PNG", **sequence),
        *(_encoded(picture, "WEBP", **each) for each in ({}, {"lossless": True}, sequence)),
        *(_encoded(picture.quantize(32), "GIF", **each) for each in ({}, sequence)),
        *(_encoded(each, "BMP") for each in (picture, picture.quantize(16))),
        *(
            _encoded(each, "TIFF")
            for each in (picture, grey, _wide(np.int32, 1), _wide(np.float32, 255))
        ),
        *(
            _encoded(picture, "TIFF", compression=each)
            for each in ("jpeg", "tiff_lzw", "tiff_adobe_deflate", "packbits")
        ),
        _encoded(picture.convert("1"), "TIFF", compression="group4"),
        _encoded(picture, "TIFF", **sequence),
        *(_encoded(picture, "AVIF", **each) for each in ({}, {"exif": exif}, sequence)),
    ]
    if "HEIF" in decode.FORMATS:
        images += [_encoded(picture, "HEIF", **each) for each in ({}, {"tile_size": 64}, sequence)]
    return tuple(images)


def _picture() -> Image.Image:
    x, y = np.arange(SIZE[0])[None, :, None], np.arange(SIZE[1])[:, None, None]
    return Image.fromarray((127 + 100 * np.sin(x / 5 + y / 9 + np.arange(3))).astype(np.uint8))


def _wide(dtype: Any, white: int) -> Image.Image:
    return Image.fromarray((np.asarray(_picture().convert("L")) / white).astype(dtype))


def _encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _flip(data: bytes, chance: random.Random) -> bytes:
    """Turn up to 16 bits over."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 16)):
        if changed:
            changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _cut(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randint(0, len(data))]


def _splice(data: bytes, chance: random.Random) -> bytes:
    """Go on with the rest of another image."""
    other = chance.choice(whole())
    return data[: chance.randint(0, len(data))] + other[chance.randint(0, len(other)) :]


def _set_field(data: bytes, chance: random.Random) -> bytes:
    """Overwrite a number of the header by one at the edge of its range."""
    width = chance.choice((1, 2, 4))
    number = chance.choice(EDGES) & (1 << 8 * width) - 1
    place = chance.randint(0, min(len(data), HEAD))
    value = number.to_bytes(width, chance.choice(("big", "little")))
    return data[:place] + value + data[place + width :]


def _repeat(data: bytes, chance: random.Random) -> bytes:
    start = chance.randint(0, len(data))
    part = data[start : start + chance.randint(1, 64)]
    return data[:start] + part * chance.randint(2, 200) + data[start:]


def _drop(data: bytes, chance: random.Random) -> bytes:
    start = chance.randint(0, len(data))
    return data[:start] + data[start + chance.randint(1, 64) :]


WAYS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    *(_flip, _flip, _cut, _splice, _set_field, _set_field, _repeat, _drop),
)
