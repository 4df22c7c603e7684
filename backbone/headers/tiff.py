"""Fields of the first image of a TIFF file."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

from facet_vision.backbone.errors import ImageError
from facet_vision.backbone.grey import GreyKind

MAX_PARTS = 65_536
"""Strips, tiles or other numbers in one field: Pillow makes objects of them."""

# What cameras, scanners and their programs write. Others are rare, and some of their decoders ask
# for as much memory as the file says.
COMPRESSIONS = {
    1: "none",
    2: "CCITT",
    3: "CCITT",
    4: "CCITT",
    5: "LZW",
    7: "JPEG",
    8: "Deflate",
    32773: "PackBits",
    32946: "Deflate",
}

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_STRIPS, _STRIP_BYTES, _TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_BYTES = 273, 279, 322, 323, 324, 325
_SAMPLE_FORMAT = 339
_BYTES_OF = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_BYTES_OF |= {16: 8, 17: 8, 18: 8}
_NUMBERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_STRINGS = (1, 2, 6, 7)
_JPEG = 7
_SIGNED, _WHITE_IS_ZERO = 2, 0
_START_OF_SCAN = b"\xff\xda"


@dataclass(frozen=True)
class Field:
    """A field as the directory lists it; `place` is where its values are."""

    kind: int
    count: int
    place: int


class Directory:
    """The fields of the first image."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._order = "<" if data.startswith(b"II") else ">"
        self._fields: dict[int, Field] = {}
        for tag, field in self._listed():
            self._fields.setdefault(tag, field)

    def passes(self, max_pixels: int) -> int:
        """Return how often a decoder passes over the pixels.

        Raises:
            ImageError: a field has more than `MAX_PARTS` values, the compression is not one of
                `COMPRESSIONS`, a tile holds more than `max_pixels`, or strips of JPEG overlap.
        """
        for field in self._fields.values():
            if field.count > MAX_PARTS and field.kind not in _STRINGS:
                raise ImageError(
                    f"image: expected a TIFF of at most {MAX_PARTS} strips, tiles or other values "
                    "in a field, found more"
                )
        compression = self._first(_COMPRESSION, 1)
        if compression not in COMPRESSIONS:
            known = ", ".join(dict.fromkeys(COMPRESSIONS.values()))
            raise ImageError(
                f"image: expected a TIFF compressed by one of {known}, found number {compression}"
            )
        scans = self._scans() if compression == _JPEG else 1
        return scans * self._tile_passes(max_pixels)

    def grey(self) -> GreyKind:
        """Return what the values of a grey image mean."""
        return GreyKind(
            bits=self._first(_BITS, 1),
            signed=self._first(_SAMPLE_FORMAT, 1) == _SIGNED,
            inverted=self._first(_PHOTOMETRIC, 0) == _WHITE_IS_ZERO,
        )

    def _tile_passes(self, max_pixels: int) -> int:
        """Return how many times the image's pixels its tiles hold, with what lies outside of it.

        Raises:
            ImageError: one tile holds more than `max_pixels`.
        """
        if _TILES not in self._fields:
            return 1
        width, height, across, down = (
            max(1, self._first(tag, 1)) for tag in (_WIDTH, _HEIGHT, _TILE_WIDTH, _TILE_HEIGHT)
        )
        if across * down > max_pixels:
            raise ImageError(
                f"image: expected TIFF tiles of at most {max_pixels} pixels, "
                f"found {across} x {down}"
            )
        held = ceil(width / across) * ceil(height / down) * across * down
        return ceil(held / (width * height)) if held > max_pixels else 1

    def _scans(self) -> int:
        """Return the mean number of scans of the strips or tiles, each of which is a JPEG."""
        offsets = self._numbers(self._fields.get(_STRIPS) or self._fields.get(_TILES))
        sizes = self._numbers(self._fields.get(_STRIP_BYTES) or self._fields.get(_TILE_BYTES))
        if sum(sizes) > len(self._data):
            raise ImageError(
                f"image: expected TIFF strips of at most {len(self._data)} bytes together, "
                "found more"
            )
        parts = zip(offsets, sizes, strict=False)
        found = sum(self._data.count(_START_OF_SCAN, at, at + size) for at, size in parts)
        return max(1, ceil(found / max(1, len(offsets))))

    def _listed(self) -> Iterator[tuple[int, Field]]:
        """Yield tag and place of each field; none where the directory is damaged."""
        big = self._data[2:3] == b"+"
        place, step, inline = (8, 20, 8) if big else (4, 12, 4)
        address, number, entry = ("Q", "Q", "HHQ") if big else ("I", "H", "HHI")
        try:
            (place,) = self._unpack(address, place)
            (count,) = self._unpack(number, place)
            place += struct.calcsize(f"={number}")
            for _ in range(min(count, len(self._data) // step)):
                tag, kind, values = self._unpack(entry, place)
                place += step
                where = place - inline
                if values * _BYTES_OF.get(kind, 1) > inline:
                    (where,) = self._unpack(address, where)
                yield tag, Field(kind, values, where)
        except struct.error:  # Pillow tells what is damaged
            return

    def _unpack(self, form: str, place: int) -> tuple[int, ...]:
        if place > len(self._data):
            raise struct.error
        return struct.unpack_from(self._order + form, self._data, place)

    def _first(self, tag: int, default: int) -> int:
        """Return the first value of a field of whole numbers."""
        numbers = self._numbers(self._fields.get(tag), 1)
        return numbers[0] if numbers else default

    def _numbers(self, field: Field | None, most: int = MAX_PARTS) -> tuple[int, ...]:
        if field is None or field.kind not in _NUMBERS:
            return ()
        count = min(field.count, most)
        try:
            return self._unpack(f"{count}{_NUMBERS[field.kind]}", field.place)
        except struct.error:
            return ()
