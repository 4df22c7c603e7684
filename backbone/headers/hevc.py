"""Sizes and pictures of HEVC data, as HEIC files hold them."""

from collections.abc import Iterator, Sequence
from itertools import chain

from .bits import Bits

_LAST_SLICE, _PARAMETERS = 31, 33


def coded_pixels(configurations: Sequence[bytes], data: bytes) -> int:
    """Return the pixels of all slices, each of which may cover its whole picture.

    Args:
        configurations: contents of the boxes `hvcC`, of which the largest size counts.
        data: units, each behind its length in four bytes.
    """
    largest, slices = 0, 0
    for unit in chain(*map(_configured, configurations), _units(data)):
        kind = unit[0] >> 1 & 63
        if kind == _PARAMETERS:
            largest = max(largest, _picture_pixels(unit))
        elif kind <= _LAST_SLICE:
            slices += 1
    return largest * slices


def _configured(configuration: bytes) -> Iterator[bytes]:
    """Yield the units in the arrays of a configuration."""
    place = 23
    for _ in range(configuration[22] if len(configuration) > 22 else 0):
        count = int.from_bytes(configuration[place + 1 : place + 3])
        place += 3
        for _ in range(count):
            size = int.from_bytes(configuration[place : place + 2])
            unit = configuration[place + 2 : place + 2 + size]
            place += 2 + size
            if not unit:
                return
            yield unit


def _units(data: bytes) -> Iterator[bytes]:
    """Yield the beginning of each unit."""
    place = 0
    while place + 4 < len(data):
        size = int.from_bytes(data[place : place + 4])
        place += 4
        if size:
            yield data[place : place + min(size, 256)]
        place += size


def _picture_pixels(unit: bytes) -> int:
    """Return width x height of a sequence parameter set."""
    # A 3 behind two zeros only keeps the data from looking like a start code.
    bits = Bits(unit[2:].replace(b"\0\0\3", b"\0\0"))
    bits.skip(4)
    layers = bits.take(3)
    bits.skip(1 + 96)
    present = [(bits.take(1), bits.take(1)) for _ in range(layers)]
    if layers:
        bits.skip(2 * (8 - layers))
    for profile, level in present:
        bits.skip(88 * profile + 8 * level)
    bits.exponential_golomb()
    if bits.exponential_golomb() == 3:
        bits.skip(1)
    return bits.exponential_golomb() * bits.exponential_golomb()
