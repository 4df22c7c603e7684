"""Grey values of more than eight bits, by one rule.

They are scaled by what their file declares:

    12 or 16 bits, unsigned    from 0 to the highest number of so many bits
    8 or 16 bits, signed       from 0 to the highest number; negative ones are refused
    32 bits                    files do not say their range, so it is the smallest of 0 to 255 and
                               0 to 65535 that holds all values; others are refused
    floating-point             from 0 to 1; others are refused

An image of which black is declared the highest value is inverted.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .errors import ImageError

_WIDE_MODES = ("I", "I;16", "I;16B", "I;16L", "I;16N", "F")


@dataclass(frozen=True)
class GreyKind:
    """What a file declares about its values.

    Attributes:
        bits: of each value.
        signed: they may be negative.
        inverted: the highest is black.
    """

    bits: int = 16
    signed: bool = False
    inverted: bool = False


def to_eight_bits(image: Image.Image, kind: GreyKind) -> Image.Image:
    """Scale grey values of another range than 0 to 255; return any other image as it is.

    Raises:
        ImageError: values lie outside the range of the rule.
    """
    if image.mode not in _WIDE_MODES and not (image.mode == "L" and kind.signed):
        return image
    values = np.asarray(image)
    if image.mode == "L":
        kind = replace(kind, inverted=False)  # Pillow has done it
        values = values.view(np.int8)
    elif image.mode == "I" and kind.bits == 32 and not kind.signed:
        values = values.view(np.uint32)
    grey = _from_floats(values) if image.mode == "F" else _from_integers(values, kind)
    return Image.fromarray(255 - grey if kind.inverted else grey)


def _from_floats(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= 1):  # also where one of them is no number
        raise ImageError(
            f"image: expected floating-point values from 0 to 1, found {low:g} to {high:g}"
        )
    return (values * 255 + 0.5).astype(np.uint8)


def _from_integers(values: NDArray[np.integer], kind: GreyKind) -> NDArray[np.uint8]:
    low, high = int(values.min()), int(values.max())
    bits = kind.bits - kind.signed
    if kind.bits > 16:
        bits = 8 if high < 256 else 16
    if low < 0 or high >= 1 << bits:
        raise ImageError(
            f"image: expected values from 0 to {(1 << bits) - 1}, found {low} to {high}"
        )
    scaled = values >> bits - 8 if bits >= 8 else values << 8 - bits
    return scaled.astype(np.uint8)
