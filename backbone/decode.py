"""Decoding of encoded images, at a cost that is known before the work."""

import io
import re
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from .errors import ImageError

MAX_PIXELS = 64_000_000
"""Largest width x height that is decoded.

That is 192 MB as RGB: above any camera's still image, far below a decompression bomb.
"""

# Pillow reads some forty formats. These are what cameras and browsers produce, and what Pillow's
# maintainers fuzz.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")

MAX_SCANS = 10
"""Scans that a progressive JPEG of `max_pixels` may have; a smaller one may have more of them.

Every scan passes over all pixels. Encoders write about ten; a file of half a megabyte can have
thousands, which keep a thread busy for minutes.
"""

_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_MARKER_AFTER_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")


@dataclass(frozen=True, eq=False)
class OpenImage:
    """An encoded image of which only the header has been read.

    Attributes:
        work: pixels that the decoder passes over: width x height, for each scan.
    """

    image: Image.Image
    work: int

    def rgb(self, enough: int | None = None) -> Image.Image:
        """Decode to RGB, upright by the EXIF orientation; see `decode_image`.

        Raises:
            ImageError: the data are damaged.
        """
        image = self.image
        try:
            if enough is not None:
                image.draft(None, (enough, enough))  # without effect on other formats than JPEG
            image.load()
            ImageOps.exif_transpose(image, in_place=True)
            return _to_rgb(image)
        except Exception as error:  # decoders raise anything at all on hostile bytes
            raise ImageError(
                f"image: expected a whole {image.format} file, found damaged data ({error})"
            ) from error


def open_image(data: bytes, *, max_pixels: int = MAX_PIXELS) -> OpenImage:
    """Read the header of an image and find out what decoding it takes.

    Raises:
        ImageError: the bytes are not one of `FORMATS`, have a damaged header, hold more than
            `max_pixels` pixels, or take more than `MAX_SCANS` passes over so many.
    """
    image = _open(data)
    width, height = image.size
    if width * height > max_pixels:
        raise ImageError(f"image: expected at most {max_pixels} pixels, found {width} x {height}")
    most = MAX_SCANS * max_pixels // max(1, width * height)
    scans = _scans(data, most) if image.info.get("progressive") else 1
    if scans > most:
        raise ImageError(
            f"image: expected a JPEG of {width} x {height} pixels in at most {most} scans, "
            "found more"
        )
    return OpenImage(image, width * height * scans)


def decode_image(
    data: bytes, *, max_pixels: int = MAX_PIXELS, enough: int | None = None
) -> Image.Image:
    """Decode image bytes to RGB, upright by their EXIF orientation.

    Of an animation it is the first frame.

    Args:
        max_pixels: most pixels of the file, however many of them are decoded.
        enough: a JPEG whose shorter side has more pixels is decoded at 1/2, 1/4 or 1/8 of its size,
            at the smallest that still has as many; the decoder then computes that much less. None
            decodes every pixel.

    Raises:
        ImageError: see `open_image`; or the data are damaged.
    """
    return open_image(data, max_pixels=max_pixels).rgb(enough)


def _scans(data: bytes, most: int) -> int:
    """Count the scans of a JPEG by its markers; more than `most` of them are not counted."""
    scans, place = 0, 2  # behind the start of the image
    while scans <= most and place + 4 <= len(data):
        if data[place] != 0xFF:
            break
        marker = data[place + 1]
        if marker == 0xFF:  # fill bytes may precede a marker
            place += 1
            continue
        if marker == _END_OF_IMAGE:
            break
        place += 2 + int.from_bytes(data[place + 2 : place + 4])
        if marker == _START_OF_SCAN:
            scans += 1
            following = _MARKER_AFTER_SCAN.search(data, place)
            if following is None:
                break
            place = following.start()
    return max(1, scans)


def _open(data: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        found = "no bytes" if not data else f"{len(data)} bytes of something else"
        raise ImageError(f"image: expected one of {', '.join(FORMATS)}, found {found}") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(
            f"image: expected at most {MAX_PIXELS} pixels, found far more in its header"
        ) from error
    except Exception as error:
        raise ImageError(
            f"image: expected a readable header, found damaged data ({error})"
        ) from error


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        # Pillow clips 16-bit grey values at 255 when it converts; keep their high byte instead.
        grey = np.asarray(image).clip(0, 65535) // 256
        return Image.fromarray(grey.astype(np.uint8)).convert("RGB")
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return image.convert("RGB")
