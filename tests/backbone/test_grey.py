"""Grey values of more than eight bits, by the rule in backbone/grey.py."""

import struct

import numpy as np
import pytest
from PIL import Image

from facet_vision import backbone
from tests.backbone.headers.test_parts import tiff
from tests.backbone.test_preprocess import encoded

INTEGER, SIGNED, FLOAT = 1, 2, 3


def grey(
    values: list[float], kind: str, form: int, order: str = "<", photometric: int = 1
) -> bytes:
    """A TIFF of one row of values: their type in `struct`, and in the file."""
    body = struct.pack(f"{order}{len(values)}{kind}", *values)

    def short(value: int) -> tuple[int, bytes, int]:
        return 3, struct.pack(order + "H", value), 1

    def long(value: int) -> tuple[int, bytes, int]:
        return 4, struct.pack(order + "I", value), 1

    fields = {
        256: short(len(values)),
        257: short(1),
        258: short(8 * struct.calcsize("=" + kind)),
        259: short(1),
        262: short(photometric),
        273: long(8 + 2 + 12 * 10 + 4),
        277: short(1),
        278: short(1),
        279: long(len(body)),
        339: short(form),
    }
    return tiff(fields, order) + body


def decoded(data: bytes) -> list[int]:
    found = np.asarray(backbone.decode_image(data))
    assert (found == found[:, :, :1]).all()
    return [int(value) for value in found[0, :, 0]]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("values", "kind", "form", "expected"),
    [
        ([0, 255, 256, 32768, 65535], "H", INTEGER, [0, 0, 1, 128, 255]),
        ([0, 128, 16384, 32767], "h", SIGNED, [0, 1, 128, 255]),
        ([0, 64, 127], "b", SIGNED, [0, 128, 254]),
        ([0, 7, 200, 255], "i", SIGNED, [0, 7, 200, 255]),
        ([0, 7, 256, 65535], "i", SIGNED, [0, 0, 1, 255]),
        ([0.0, 0.25, 0.5, 1.0], "f", FLOAT, [0, 64, 128, 255]),
    ],
    ids=["16", "signed 16", "signed 8", "32 as 8", "32 as 16", "float"],
)
def test_values_are_scaled_by_what_they_declare(
    values: list[float], kind: str, form: int, order: str, expected: list[int]
) -> None:
    assert decoded(grey(values, kind, form, order)) == expected


def test_unsigned_numbers_of_32_bits_follow_their_range() -> None:
    assert decoded(grey([0, 9, 255], "I", INTEGER)) == [0, 9, 255]
    assert decoded(grey([0, 512, 65535], "I", INTEGER)) == [0, 2, 255]
    with pytest.raises(backbone.ImageError, match="values from 0 to 65535, found 1 to 4000000000"):
        decoded(grey([1, 4_000_000_000], "I", INTEGER))


@pytest.mark.parametrize(
    ("values", "kind", "form", "words"),
    [
        ([-1, 5], "h", SIGNED, "values from 0 to 32767, found -1 to 5"),
        ([-1, 5], "b", SIGNED, "values from 0 to 127, found -1 to 5"),
        ([-1, 5], "i", SIGNED, "values from 0 to 255, found -1 to 5"),
        ([0, 65536], "i", SIGNED, "values from 0 to 65535, found 0 to 65536"),
        ([0.0, 255.0], "f", FLOAT, "floating-point values from 0 to 1, found 0 to 255"),
        ([-0.5, 1.0], "f", FLOAT, "floating-point values from 0 to 1, found -0.5 to 1"),
        ([0.0, float("nan")], "f", FLOAT, "floating-point values from 0 to 1, found nan"),
        ([0.0, float("inf")], "f", FLOAT, "floating-point values from 0 to 1, found 0 to inf"),
    ],
)
def test_values_outside_of_a_known_range_are_refused(
    values: list[float], kind: str, form: int, words: str
) -> None:
    with pytest.raises(backbone.ImageError, match=f"^image: expected {words}"):
        decoded(grey(values, kind, form))


def test_white_may_be_zero() -> None:
    assert decoded(grey([0, 65535], "H", INTEGER, photometric=0)) == [255, 0]
    assert decoded(grey([0.0, 1.0], "f", FLOAT, photometric=0)) == [255, 0]


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate"])
@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
def test_what_pillow_writes_is_read(dtype: type, compression: str | None) -> None:
    top = 1 if dtype is np.float32 else 65535
    values = np.linspace(0, top, 64 * 64).reshape(64, 64).astype(dtype)
    data = encoded(Image.fromarray(values), "TIFF", compression=compression)
    found = np.asarray(backbone.decode_image(data))
    assert (found.min(), found.max()) == (0, 255)
    assert 126 < found.mean() < 129
