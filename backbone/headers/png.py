"""Chunks of PNG files."""

from facet_vision.backbone.errors import ImageError

MAX_COMPRESSED = 64
"""Chunks of compressed metadata. Each may expand to a megabyte, and most files have none."""

_COMPRESSED = frozenset({b"iCCP", b"zTXt", b"iTXt"})


def check_chunks(data: bytes) -> None:
    """Refuse a file of many chunks that have to be decompressed to be passed over.

    Raises:
        ImageError: such a file.
    """
    place, compressed = 8, 0
    while place + 8 <= len(data):
        compressed += data[place + 4 : place + 8] in _COMPRESSED
        if compressed > MAX_COMPRESSED:
            raise ImageError(
                f"image: expected a PNG of at most {MAX_COMPRESSED} chunks of compressed metadata, "
                "found more"
            )
        place += 12 + int.from_bytes(data[place : place + 4])
