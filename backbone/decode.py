"""Decoding of encoded images, at a cost that is known before the work."""

from dataclasses import dataclass

from PIL import AvifImagePlugin, Image, ImageOps, UnidentifiedImageError

from .errors import ImageError
from .grey import GreyKind, to_eight_bits
from .headers import Header, read_header
from .headers.reading import LimitedReads

try:
    import pillow_heif
except ImportError:
    pillow_heif = None

MAX_PIXELS = 64_000_000
"""Largest width x height that is decoded.

That is 192 MB as RGB: above any camera's still image, far below a decompression bomb.
"""

# Pillow reads some forty formats. These are what cameras and browsers produce, and what Pillow's
# maintainers fuzz.
FORMATS: tuple[str, ...] = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")

AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # one image may not take all cores
if pillow_heif is not None:
    FORMATS += ("HEIF",)
    pillow_heif.register_heif_opener(
        decode_threads=1, thumbnails=False, depth_images=False, aux_images=False
    )

MAX_SCANS = 10
"""Scans that a progressive JPEG of `max_pixels` may have; a smaller one may have more of them.

Every scan passes over all pixels. Encoders write about ten; a file of half a megabyte can have
thousands, which keep a thread busy for minutes. The same holds for other passes over the pixels:
scans of the JPEGs in a TIFF, tiles that are larger than what they show.
"""

MAX_CODED = 3
"""Times `max_pixels` that all frames of an AVIF or HEIC file may have which are decoded for one
image: its tiles, its transparency. Frames that are never shown cost as much as others."""


@dataclass(frozen=True, eq=False)
class OpenImage:
    """An encoded image of which only the header has been read.

    Attributes:
        work: pixels that the decoder passes over: width x height, for each scan.
        grey: what grey values of more than eight bits mean.
    """

    image: Image.Image
    work: int
    grey: GreyKind

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
            return _to_rgb(image, self.grey)
        except ImageError:
            raise
        except Exception as error:  # decoders raise anything at all on hostile bytes
            raise ImageError(
                f"image: expected a whole {image.format} file, found damaged data ({_line(error)})"
            ) from error


def open_image(data: bytes, *, max_pixels: int = MAX_PIXELS) -> OpenImage:
    """Read the header of an image and find out what decoding it takes.

    Raises:
        ImageError: the bytes are not one of `FORMATS`, have a damaged header, hold more than
            `max_pixels` pixels, or take more work than any encoder gives so many.
    """
    header = read_header(data, max_pixels)
    image = _open(data, header)
    width, height = image.size
    pixels = max(1, width * height)
    if pixels > max_pixels:
        raise ImageError(f"image: expected at most {max_pixels} pixels, found {width} x {height}")
    most = MAX_SCANS * max_pixels // pixels
    if header.passes > most:
        passes = "scans" if image.format == "JPEG" else "passes"
        raise ImageError(
            f"image: expected a {image.format} of {width} x {height} pixels in at most {most} "
            f"{passes}, found more"
        )
    if header.coded_pixels > MAX_CODED * max_pixels:
        raise ImageError(
            f"image: expected frames of at most {MAX_CODED * max_pixels} pixels to decode, "
            f"found {header.coded_pixels}"
        )
    return OpenImage(image, max(pixels * header.passes, header.coded_pixels), header.grey)


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


def _open(data: bytes, header: Header) -> Image.Image:
    if header.format == "HEIF" and header.format not in FORMATS:
        raise ImageError(
            f"image: expected one of {', '.join(FORMATS)}, found HEIC, which takes the extra "
            "'heic' (pip install 'facet-vision[heic]')"
        )
    try:
        return Image.open(
            LimitedReads(data), formats=(header.format,) if header.format else FORMATS
        )
    except ImageError:
        raise
    except UnidentifiedImageError:
        found = "no bytes" if not data else f"{len(data)} bytes of something else"
        raise ImageError(f"image: expected one of {', '.join(FORMATS)}, found {found}") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(
            f"image: expected at most {MAX_PIXELS} pixels, found far more in its header"
        ) from error
    except Exception as error:
        raise ImageError(
            f"image: expected a readable header, found damaged data ({_line(error)})"
        ) from error


def _line(error: Exception) -> str:
    """Return what a library says, on one line."""
    return " ".join(str(error).split())[:200]


def _to_rgb(image: Image.Image, grey: GreyKind) -> Image.Image:
    image = to_eight_bits(image, grey)
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return image.convert("RGB")
