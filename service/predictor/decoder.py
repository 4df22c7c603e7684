"""Decoding and preprocessing off the event loop."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import perf_counter
from typing import Self

from facet_vision.backbone import ImageError, OpenImage, Pixels, Preprocess, open_image
from facet_vision.service.settings import Settings

HEAVY_PIXELS = 16_000_000
"""Pixels to pass over beyond which an image is heavy: more than a phone's photo, some 0.2 s."""


@dataclass(frozen=True)
class ImageBytes:
    """One image as it was sent.

    Attributes:
        data: the encoded image.
        name: the file name that the client gave, if any; it is only echoed.
    """

    data: bytes
    name: str | None = None


@dataclass(frozen=True, eq=False)
class DecodedImage:
    """An image of the size that the backbone takes.

    Attributes:
        pixels: (3, height, width).
        name: the file name that the client gave, if any.
        seconds: the time of decoding, resizing and cropping.
        size: width and height of the upright image, or of the smaller copy that was decoded; None
            where its pixels were sent.
    """

    pixels: Pixels
    name: str | None
    seconds: float
    size: tuple[int, int] | None = None


class Decoder:
    """Threads that decode, one for each core: Pillow decodes without the interpreter's lock.

    A thread cannot be interrupted, so heavy images have threads of their own, one less than there
    are others: however many of them arrive, a light image finds a thread and a core's share.

    Args:
        preprocess: makes pixels of an encoded image.
        threads: how many images are decoded at once; of heavy ones one less, but at least one.
        max_pixels: most pixels of an encoded image.
        observe: called with the seconds of each image.
    """

    def __init__(
        self,
        preprocess: Preprocess,
        *,
        threads: int,
        max_pixels: int,
        observe: Callable[[float], None],
    ) -> None:
        self._preprocess = preprocess
        self._max_pixels = max_pixels
        self._observe = observe
        self._light = ThreadPoolExecutor(threads, thread_name_prefix="facet-decode")
        self._heavy = ThreadPoolExecutor(max(1, threads - 1), thread_name_prefix="facet-heavy")

    @classmethod
    def of(
        cls, settings: Settings, preprocess: Preprocess, observe: Callable[[float], None]
    ) -> Self:
        """Return a decoder with the threads and limits of the settings."""
        threads, max_pixels = settings.decode_threads, settings.max_image_pixels
        return cls(preprocess, threads=threads, max_pixels=max_pixels, observe=observe)

    @property
    def input_size(self) -> tuple[int, int, int]:
        """What images are made into: (3, height, width)."""
        return self._preprocess.input_size

    async def decode(self, images: Sequence[ImageBytes | Pixels]) -> list[DecodedImage]:
        """Decode and preprocess the images of a request, in their order; pixels stay as they are.

        Raises:
            ImageError: one of them cannot be decoded; the sentence says which.
        """
        decoding = [asyncio.ensure_future(self._decode(image)) for image in images]
        try:
            return [
                self._counted(await one, position, len(images))
                for position, one in enumerate(decoding)
            ]
        finally:
            for one in decoding:
                one.cancel()  # what has not begun need not begin once one has failed

    def close(self) -> None:
        """Stop the threads once they finish their current image."""
        self._light.shutdown(wait=False, cancel_futures=True)
        self._heavy.shutdown(wait=False, cancel_futures=True)

    async def _decode(self, image: ImageBytes | Pixels) -> DecodedImage | ImageError:
        if not isinstance(image, ImageBytes):
            return DecodedImage(image, None, 0.0)
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._light, self._decode_if_light, image)
        if isinstance(found, OpenImage):
            found = await loop.run_in_executor(self._heavy, self._pixels, found, image.name)
        return found

    def _decode_if_light(self, image: ImageBytes) -> DecodedImage | OpenImage | ImageError:
        """Decode one image, or return it opened if it is heavy; runs in a thread.

        An error is returned, not raised: of several images the first one that fails is reported.
        """
        try:
            opened = open_image(image.data, max_pixels=self._max_pixels)
        except ImageError as error:
            return error
        return opened if opened.work > HEAVY_PIXELS else self._pixels(opened, image.name)

    def _pixels(self, opened: OpenImage, name: str | None) -> DecodedImage | ImageError:
        begun = perf_counter()
        try:
            pixels = self._preprocess.decode_opened(opened)
        except ImageError as error:
            return error
        # Decoding has turned the image upright, in place.
        return DecodedImage(pixels, name, perf_counter() - begun, opened.image.size)

    def _counted(
        self, decoded: DecodedImage | ImageError, position: int, count: int
    ) -> DecodedImage:
        if isinstance(decoded, ImageError):
            raise decoded if count == 1 else ImageError(f"file {position}, {decoded}")
        if decoded.seconds:
            self._observe(decoded.seconds)
        return decoded
