"""Decoding and preprocessing off the event loop."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import perf_counter
from typing import Self

from facet_vision.backbone import ImageError, Pixels, Preprocess
from facet_vision.service.settings import Settings


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
    """

    pixels: Pixels
    name: str | None
    seconds: float


class Decoder:
    """A pool of threads, one for each core: Pillow decodes without the interpreter's lock.

    Args:
        preprocess: makes pixels of an encoded image.
        threads: how many decode at once.
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
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="facet-decode")

    @classmethod
    def of(
        cls, settings: Settings, preprocess: Preprocess, observe: Callable[[float], None]
    ) -> Self:
        """Return a decoder with the threads and limits of the settings."""
        threads, max_pixels = settings.decode_threads, settings.max_image_pixels
        return cls(preprocess, threads=threads, max_pixels=max_pixels, observe=observe)

    async def decode(self, images: Sequence[ImageBytes]) -> list[DecodedImage]:
        """Decode and preprocess the images of a request, in their order.

        Raises:
            ImageError: one of them cannot be decoded; the sentence says which.
        """
        loop = asyncio.get_running_loop()
        futures = [loop.run_in_executor(self._pool, self._decode, image) for image in images]
        try:
            return [
                self._counted(await future, position, len(images))
                for position, future in enumerate(futures)
            ]
        finally:
            for future in futures:
                future.cancel()  # what has not begun need not begin once one has failed

    def close(self) -> None:
        """Stop the threads once they finish their current image."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _decode(self, image: ImageBytes) -> DecodedImage | ImageError:
        """Decode one image; runs in a thread of the pool, so an error is returned, not raised."""
        begun = perf_counter()
        try:
            pixels = self._preprocess.decode(image.data, max_pixels=self._max_pixels)
        except ImageError as error:
            return error
        return DecodedImage(pixels, image.name, perf_counter() - begun)

    def _counted(
        self, decoded: DecodedImage | ImageError, position: int, count: int
    ) -> DecodedImage:
        if isinstance(decoded, ImageError):
            raise decoded if count == 1 else ImageError(f"file {position}, {decoded}")
        self._observe(decoded.seconds)
        return decoded
