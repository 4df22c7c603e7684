"""Segments and scans of JPEG files."""

import re

from facet_vision.backbone.errors import ImageError

MAX_SEGMENTS = 512
"""Segments of metadata before the first scan. Pillow joins those of one kind, one after the other:
each of many small ones behind large ones copies them all."""

MAX_SCANS = 65_536
"""Scans beyond which they are no longer counted."""

_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")


def count_scans(data: bytes) -> int:
    """Count the scans by their markers, whatever kind of JPEG it says it is.

    Raises:
        ImageError: more than `MAX_SEGMENTS` segments precede the first scan.
    """
    scans, segments, place = 0, 0, 2  # behind the start of the image
    while scans <= MAX_SCANS and place + 4 <= len(data):
        found = _MARKER.search(data, place)  # decoders pass over fill and whatever else precedes it
        if found is None:
            break
        place = found.start()
        marker = data[place + 1]
        if marker == _END_OF_IMAGE:
            break
        place += 2 + int.from_bytes(data[place + 2 : place + 4])
        segments += 1
        if marker == _START_OF_SCAN:
            scans += 1
        elif not scans and segments > MAX_SEGMENTS:
            raise ImageError(
                f"image: expected a JPEG of at most {MAX_SEGMENTS} segments before its first scan, "
                "found more"
            )
    return max(1, scans)
