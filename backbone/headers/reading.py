"""A file in memory that is read in a limited number of pieces."""

import io

from facet_vision.backbone.errors import ImageError

MAX_READS = 20_000
"""Pieces of any file; large ones are read in more.

Python reads the parts of a header one by one, and so do a few decoders with the pixels. Encoders
write parts of kilobytes; a file of parts of a few bytes keeps Python busy for many seconds.
"""

BYTES_PER_READ = 512
"""Bytes for which a large file is read in one piece more."""


class LimitedReads(io.BytesIO):
    """Bytes of an image.

    Its methods raise ImageError once it was read in more pieces than an encoder makes.
    """

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._most = self._left = MAX_READS + len(data) // BYTES_PER_READ

    def read(self, size: int | None = -1, /) -> bytes:
        """Read up to `size` bytes."""
        self._left -= 1
        if self._left < 0:
            raise ImageError(
                f"image: expected a file that is read in at most {self._most} pieces, found more"
            )
        return super().read(size)
