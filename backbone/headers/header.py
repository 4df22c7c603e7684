"""The header of an image in any format."""

from dataclasses import dataclass, field

from facet_vision.backbone.grey import GreyKind

from . import boxes, heif, jpeg, png, tiff


@dataclass(frozen=True)
class Header:
    """What the header of an encoded image says.

    Attributes:
        format: Pillow's name, where it takes more than the first bytes to know it.
        passes: times that a decoder passes over the pixels.
        coded_pixels: pixels of all frames that are decoded, where they are not the image's own.
        grey: what values of more than eight bits mean.
    """

    format: str | None = None
    passes: int = 1
    coded_pixels: int = 0
    grey: GreyKind = field(default_factory=GreyKind)


def read_header(data: bytes, max_pixels: int) -> Header:
    """Read the header of an image in any format; of unknown bytes it is empty.

    Raises:
        ImageError: it is damaged, lists more than any encoder writes, or has parts of more than
            `max_pixels` pixels.
    """
    if data.startswith(b"\xff\xd8"):
        return Header(passes=jpeg.count_scans(data))
    if data.startswith(b"\x89PNG"):
        png.check_chunks(data)
    if data.startswith((b"II", b"MM")):
        directory = tiff.Directory(data)
        return Header(passes=directory.passes(max_pixels), grey=directory.grey())
    if data[4:8] == b"ftyp":
        container = boxes.read(data)
        heif.check_sizes(container, data, max_pixels)
        return Header(
            format=heif.format_of(container), coded_pixels=heif.coded_pixels(container, data)
        )
    return Header()
