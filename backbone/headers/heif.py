"""What AVIF and HEIC files make their decoders decode."""

from facet_vision.backbone.errors import ImageError

from . import av1, hevc
from .boxes import MAX_PARTS, Container, too_many

_Stream = tuple[str, list[slice]]
"""Format and places of coded data."""

_CANVASES = {b"grid": 4, b"iovl": 10}
"""Where the data of items that are composed of others hold their size."""

_CODED = {b"av01": "AVIF", b"hvc1": "HEIF", b"hev1": "HEIF"}


def format_of(container: Container) -> str | None:
    """Return Pillow's name for the format of the image; None if it is neither AVIF nor HEIC."""
    for item in decoded_items(container):
        if container.kinds[item] in _CODED:
            return _CODED[container.kinds[item]]
    return "AVIF" if container.samples else None


def check_sizes(container: Container, data: bytes, max_pixels: int) -> None:
    """Refuse a file in which an item, shown or cropped away, has too many pixels.

    Raises:
        ImageError: such a file.
    """
    canvases = [
        _canvas(container.kinds[item], b"".join(data[part] for part in container.extents[item]))
        for item in decoded_items(container)
        if container.kinds[item] in _CANVASES and item in container.extents
    ]
    for width, height in container.sizes + canvases:
        if width * height > max_pixels:
            raise ImageError(
                f"image: expected at most {max_pixels} pixels, found {width} x {height}"
            )


def _canvas(kind: bytes, data: bytes) -> tuple[int, int]:
    """Return the size that a grid or overlay says its result has."""
    width = 4 if len(data) > 1 and data[1] & 1 else 2
    place = _CANVASES[kind]
    sides = data[place : place + width], data[place + width : place + 2 * width]
    return int.from_bytes(sides[0]), int.from_bytes(sides[1])


def coded_pixels(container: Container, data: bytes) -> int:
    """Return the pixels of all frames that are decoded for the image, hidden ones included.

    Raises:
        ImageError: data of items overlap, so that they are more than the file.
    """
    items = _pixels(container, data, _items(container))
    # A sequence has its first frame once more as an item; a decoder takes one of the two.
    frames = [("AVIF", [sample]) for sample in container.samples]
    return max(items, _pixels(container, data, frames))


def decoded_items(container: Container) -> list[int]:
    """Return the image's item and those it is made of, each as often as it is used.

    Raises:
        ImageError: they are more than `MAX_PARTS`.
    """
    found, following = [], [container.primary]
    while following:
        item = following.pop()
        if item in container.kinds:
            found.append(item)
        following += container.made_of.get(item, [])
        if len(found) + len(following) > MAX_PARTS:
            raise too_many("items")
    return found


def _items(container: Container) -> list[_Stream]:
    """Return format and places of the data of all items that are decoded."""
    kinds = container.kinds
    return [
        (_CODED[kinds[item]], container.extents.get(item, []))
        for item in decoded_items(container)
        if kinds[item] in _CODED
    ]


def _pixels(container: Container, data: bytes, streams: list[_Stream]) -> int:
    whole = len(data)
    bounded = [
        (form, [slice(min(part.start, whole), min(part.stop, whole)) for part in parts])
        for form, parts in streams
    ]
    if sum(part.stop - part.start for _, parts in bounded for part in parts) > whole:
        raise ImageError(f"image: expected items of at most {whole} bytes together, found more")
    pixels = 0
    for form, parts in bounded:
        stream = b"".join(data[part] for part in parts)
        if form == "AVIF":
            pixels += av1.coded_pixels(stream)
        else:
            pixels += hevc.coded_pixels(container.configurations, stream)
    return pixels
