"""Sizes and frames of AV1 data, as AVIF files hold them."""

from collections.abc import Iterator

from .bits import Bits

_SEQUENCE_HEADER, _FRAME_HEADER, _FRAME = 1, 3, 6


def coded_pixels(data: bytes) -> int:
    """Return the pixels of all frames, hidden ones included, at the largest size they may have."""
    largest, frames = 0, 0
    for kind, payload in _units(data):
        if kind == _SEQUENCE_HEADER:
            largest = max(largest, _frame_pixels(payload))
        elif kind in (_FRAME_HEADER, _FRAME):
            frames += 1
    return largest * frames


def _units(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the type and the beginning of each unit (OBU)."""
    place = 0
    while place < len(data):
        kind, extended, sized = data[place] >> 3 & 15, data[place] & 4, data[place] & 2
        place += 2 if extended else 1
        size = len(data) - place
        if sized:
            size, place = _leb128(data, place)
        yield kind, data[place : place + min(size, 256)]
        place += size


def _leb128(data: bytes, place: int) -> tuple[int, int]:
    """Read a number of 7 bits to the byte, and return it with the place behind it."""
    number = 0
    for index, byte in enumerate(data[place : place + 8]):
        number |= (byte & 127) << 7 * index
        if byte < 128:
            return number, place + index + 1
    return number, place + 8


def _frame_pixels(header: bytes) -> int:
    """Return the largest width x height that a sequence header allows its frames."""
    bits = Bits(header)
    bits.skip(4)  # profile, still picture
    reduced = bits.take(1)
    if reduced:
        bits.skip(5)
    else:
        _skip_operating_points(bits)
    width_bits, height_bits = bits.take(4) + 1, bits.take(4) + 1
    if reduced:
        return (bits.take(width_bits) + 1) * (bits.take(height_bits) + 1)
    return 1 << width_bits + height_bits  # a frame may give its own size in as many bits


def _skip_operating_points(bits: Bits) -> None:
    delay_bits = 0
    if bits.take(1):  # timing
        bits.skip(64)
        if bits.take(1):
            bits.exponential_golomb()
        if bits.take(1):  # decoder model
            delay_bits = bits.take(5) + 1
            bits.skip(32 + 5 + 5)
            model = True
        else:
            model = False
    else:
        model = False
    delays = bits.take(1)
    for _ in range(bits.take(5) + 1):
        bits.skip(12)
        if bits.take(5) > 7:
            bits.skip(1)
        if model and bits.take(1):
            bits.skip(2 * delay_bits + 1)
        if delays and bits.take(1):
            bits.skip(4)
