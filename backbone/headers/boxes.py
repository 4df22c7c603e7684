"""Boxes of the container (ISO base media) that AVIF and HEIC share."""

import struct
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from facet_vision.backbone.errors import ImageError

MAX_PARTS = 65_536
"""Boxes, items, parts of items or frames of a sequence."""

_OUTER = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"iprp", b"ipco")


@dataclass
class Container:
    """What the boxes say.

    Attributes:
        primary: number of the item that is the image.
        kinds: of each item.
        extents: places in the file of each item's data.
        made_of: items that each is composed of, or that lend it transparency.
        sizes: width and height that items say they have.
        configurations: contents of all boxes `hvcC`.
        samples: places of the first frame of each track of a sequence.
    """

    primary: int = 0
    kinds: dict[int, bytes] = field(default_factory=dict)
    extents: dict[int, list[slice]] = field(default_factory=dict)
    made_of: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    sizes: list[tuple[int, int]] = field(default_factory=list)
    configurations: list[bytes] = field(default_factory=list)
    samples: list[slice] = field(default_factory=list)


def read(data: bytes) -> Container:
    """Read the boxes of a file, as far as they go.

    Raises:
        ImageError: they are damaged, or have more than `MAX_PARTS` parts of one kind.
    """
    reader = _Reader(data)
    try:
        reader.walk(0, len(data))
    except (struct.error, IndexError, OverflowError):
        raise _damaged() from None
    reader.found.samples = reader.samples()
    return reader.found


def too_many(what: str) -> ImageError:
    """Return the error of a file that has too many of something."""
    return ImageError(f"image: expected at most {MAX_PARTS} {what} in a file, found more")


def _damaged() -> ImageError:
    return ImageError("image: expected a readable header, found damaged boxes")


class _Reader:
    """Walks through the boxes and notes what it finds."""

    def __init__(self, data: bytes) -> None:
        self.found = Container()
        self._data = data
        self._boxes = 0
        self._inner = 0  # where the data of items begin that stand within the header
        self._frame_sizes: list[int] = []
        self._frame_places: list[int] = []

    def walk(self, start: int, end: int) -> None:
        """Read the boxes between two places, and those within them."""
        for kind, place, stop in self._listed(start, end):
            if kind in _OUTER:
                self.walk(place, stop)
            elif kind == b"meta":
                self._meta(place + 4, stop)
            elif kind == b"ispe":
                self.found.sizes.append((self._int(place + 4, 4), self._int(place + 8, 4)))
            elif kind == b"hvcC":
                self.found.configurations.append(self._data[place:stop])
            elif kind == b"stsz":
                self._sizes(place)
            elif kind in (b"stco", b"co64") and self._int(place + 4, 4):
                self._frame_places.append(self._int(place + 8, 4 if kind == b"stco" else 8))

    def _listed(self, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
        """Yield kind, start of the content, and end of each box."""
        while start + 8 <= end:
            self._boxes += 1
            if self._boxes > MAX_PARTS:
                raise too_many("boxes")
            size, head = self._int(start, 4), 8
            if size == 1:
                size, head = self._int(start + 8, 8), 16
            stop = min(start + size, end) if size else end
            if stop < start + head:
                raise _damaged()
            yield self._data[start + 4 : start + 8], start + head, stop
            start = stop

    def _int(self, place: int, size: int) -> int:
        found = self._data[place : place + size]
        if len(found) < size:
            raise IndexError
        return int.from_bytes(found)

    def _meta(self, start: int, end: int) -> None:
        # What stands within the header is placed by a box that may follow the list of places.
        listed = sorted(self._listed(start, end), key=lambda box: box[0] == b"iloc")
        for kind, place, stop in listed:
            if kind == b"pitm":
                self.found.primary = self._int(place + 4, 4 if self._data[place] else 2)
            elif kind == b"iinf":
                self._kinds(place + (8 if self._data[place] else 6), stop)
            elif kind == b"iref":
                self._references(place + 4, stop, 4 if self._data[place] else 2)
            elif kind == b"idat":
                self._inner = place
            elif kind == b"iprp":
                self.walk(place, stop)
            elif kind == b"iloc":
                self._places(place)

    def _kinds(self, start: int, end: int) -> None:
        for _, place, _ in self._listed(start, end):
            width = 4 if self._data[place] > 2 else 2
            item = self._int(place + 4, width)
            self.found.kinds[item] = self._data[place + 6 + width : place + 10 + width]

    def _references(self, start: int, end: int, width: int) -> None:
        for kind, place, _ in self._listed(start, end):
            item, count = self._int(place, width), self._int(place + width, 2)
            first = place + width + 2
            others = [self._int(first + width * index, width) for index in range(count)]
            if kind == b"dimg":
                self.found.made_of[item] += others
            elif kind == b"auxl":
                for other in others:
                    self.found.made_of[other].append(item)

    def _places(self, place: int) -> None:
        version, sizes, more = self._data[place], self._data[place + 4], self._data[place + 5]
        width = 2 if version < 2 else 4
        count = self._int(place + 6, width)
        place += 6 + width
        parts = 0
        for _ in range(count):
            item, inner = self._int(place, width), False
            place += width
            if version:
                inner = self._int(place, 2) & 15 == 1
                place += 2
            base = self._int(place + 2, more >> 4) + (self._inner if inner else 0)
            place += 2 + (more >> 4)
            extents = self._int(place, 2)
            place += 2
            parts += 1 + extents
            if parts > MAX_PARTS:
                raise too_many("parts of items")
            index = more & 15 if version else 0
            found = []
            for _ in range(extents):
                place += index
                offset = base + self._int(place, sizes >> 4)
                size = self._int(place + (sizes >> 4), sizes & 15)
                place += (sizes >> 4) + (sizes & 15)
                found.append(slice(offset, offset + size if size else len(self._data)))
            self.found.extents[item] = found

    def _sizes(self, place: int) -> None:
        size, count = self._int(place + 4, 4), self._int(place + 8, 4)
        if count > MAX_PARTS:
            raise too_many("frames")
        if count:
            self._frame_sizes.append(size or self._int(place + 12, 4))

    def samples(self) -> list[slice]:
        """Return the places of the first frames of all tracks."""
        pairs = zip(self._frame_places, self._frame_sizes, strict=False)
        return [slice(place, place + size) for place, size in pairs]
