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
        name: the file name that the client gave, if any; only ever echoed.
    """

    data: bytes
    name: str | None = None


@dataclass(frozen=True, eq=False)
class DecodedImage:
    """An image of the size that the backbone takes.

    Attributes:
        pixels: (3, height, width).
        name: the file name that the client gave, if any.
        seconds: what decoding, resizing and cropping took.
    """

    pixels: Pixels
    name: str | None
    seconds: float


class Decoder:
    """A pool of threads, one for each components: Pillow decodes without holding the interpreter lock."""

    def __init__(
        self,
        preprocess: Preprocess,
        *,
        threads: int,
        max_pixels: int,
        observe: Callable[[float], None],
    ) -> None:
        self._preprocess, self._max_pixels, self._observe = preprocess, max_pixels, observe
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="facet-decode")

    @classmethod
    def of(
        cls, settings: Settings, preprocess: Preprocess, observe: Callable[[float], None]
    ) -> Self:
        """A decoder as the settings say."""
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
        """Let the threads go."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _decode(self, image: ImageBytes) -> DecodedImage | ImageError:
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
