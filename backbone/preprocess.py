"""From image bytes to a backbone's input: pixels image by image, normalised by the batch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from timm.data import create_transform, resolve_data_config
from torch import Tensor

from .decode import MAX_PIXELS, OpenImage, open_image

SURPLUS = 3.75
"""Least side of a reduced decode, in sides of the resized image.

On the builtin tasks scores then move 1.5 to 2 times as much as by saving the JPEG at quality 89
instead of 90, on textures 7 times; with a surplus of 2 several times that. See
tests/test_reduced_decode.py.
"""

MAX_ASPECT = 8
"""Times its shorter side that the longer side of an image may have before it is cropped.

A centre crop shows no more than a square of the shorter side. But before the crop timm's pipeline
enlarges that side to the input's size, and the other by the same factor: of 1 x 300,000 pixels it
makes 52 x 15,600,000. Panoramas stay below this, and so does what they give bit for bit.
"""

Channels = tuple[float, float, float]
"""One value for each of red, green and blue."""

Pixels = NDArray[np.uint8] | NDArray[np.float32]
"""An image of the size that the backbone takes, (3, height, width).

As uint8 it is resized and cropped but not normalised, in a quarter of the bytes of its float32
tensor. As float32 it is normalised already.
"""


Box = tuple[float, float, float, float]
"""Left, top, right and bottom of a part of an image, in fractions of its width and height."""


@dataclass(frozen=True)
class Preprocess:
    """Resize, centre crop and normalisation of one backbone, taken from timm's data config.

    Attributes:
        input_size: (channels, height, width) of the tensor.
        mean, std: per channel, for pixel values in [0, 1].
        interpolation: resampling filter by name, such as "bicubic".
        crop_pct: share of the resized image's side that the crop keeps.
        crop_mode: timm's name for how the crop is placed, such as "center" or "squash".
    """

    input_size: tuple[int, int, int]
    mean: Channels
    std: Channels
    interpolation: str = "bicubic"
    crop_pct: float = 1.0
    crop_mode: str = "center"

    @classmethod
    def of(cls, model: Any) -> "Preprocess":
        """Read the data config of a timm model; its actual input size overrides the configured."""
        config = resolve_data_config(model=model)
        embed = getattr(model, "patch_embed", None)
        height, width = getattr(embed, "img_size", None) or config["input_size"][1:]
        return cls(
            input_size=(3, height, width),
            mean=_channels(config["mean"]),
            std=_channels(config["std"]),
            interpolation=config["interpolation"],
            crop_pct=config["crop_pct"],
            crop_mode=config["crop_mode"],
        )

    @cached_property
    def _transform(self) -> Any:
        return create_transform(
            input_size=self.input_size,
            mean=self.mean,
            std=self.std,
            interpolation=self.interpolation,
            crop_pct=self.crop_pct,
            crop_mode=self.crop_mode,
            is_training=False,
            use_prefetcher=True,  # returns uint8 pixels; `normalise` does the rest per batch
        )

    @property
    def enough(self) -> int:
        """Pixels of an image's shorter side above which more detail hardly reaches the tensor."""
        return math.ceil(SURPLUS * max(self.input_size[1:]) / self.crop_pct)

    def decode(self, data: bytes, *, max_pixels: int = MAX_PIXELS) -> Pixels:
        """Turn image bytes into pixels; a large JPEG is decoded at a reduced size (`enough`).

        Raises:
            ImageError: see `decode.decode_image`.
        """
        return self.decode_opened(open_image(data, max_pixels=max_pixels))

    def decode_opened(self, image: OpenImage) -> Pixels:
        """Turn an image whose header has been read into pixels.

        Raises:
            ImageError: its data are damaged.
        """
        return self.pixels(image.rgb(self.enough))

    def pixels(self, image: Image.Image) -> Pixels:
        """Resize and crop an RGB image of any size to the size of the backbone's input."""
        if self.crop_mode == "center":
            image = limit_aspect(image)
        elif self.crop_mode == "border":
            image = self._thickened(image)
        pixels: Pixels = self._transform(image).numpy()
        return pixels

    def box(self, size: tuple[int, int]) -> Box:
        """Return which part of an upright image becomes the input.

        What a border adds lies outside of the image, so fractions may be below 0 and above 1.

        Args:
            size: width and height of the image, or of a smaller copy of it.
        """
        sides = self.input_size[:0:-1]  # width and height
        scaled = [math.floor(side / self.crop_pct) for side in sides]
        resized: list[float] = list(scaled)
        if self.crop_mode != "squash":
            ratios = [side / wanted for side, wanted in zip(size, scaled, strict=True)]
            ratio = max(ratios) if self.crop_mode == "border" else min(ratios)
            resized = [side / ratio for side in size]
        width, height = (side / whole for side, whole in zip(sides, resized, strict=True))
        return (1 - width) / 2, (1 - height) / 2, (1 + width) / 2, (1 + height) / 2

    def _thickened(self, image: Image.Image) -> Image.Image:
        """Keep a line of one pixel of an image that would be resized to a side of none."""
        height, width = (math.floor(side / self.crop_pct) for side in self.input_size[1:])
        ratio = max(image.width / width, image.height / height)
        if min(image.size) / ratio > 0.5:  # rounds to a pixel at least
            return image
        size = (width, 1) if image.width > image.height else (1, height)
        return image.resize(size, Image.Resampling.BOX)

    def normalise(self, pixels: Tensor) -> Tensor:
        """Turn uint8 pixels, (batch, 3, height, width), into a backbone's float32 input."""
        mean, std = (
            torch.tensor(value, device=pixels.device)[:, None, None]
            for value in (self.mean, self.std)
        )
        return pixels.float().div_(255).sub_(mean).div_(std)

    def batch(self, images: Sequence[Pixels], device: torch.device | str = "cpu") -> Tensor:
        """Turn images into a backbone's float32 input, (batch, 3, height, width), on a device.

        Each image is copied once, and those of uint8 are normalised together.
        """
        as_bytes = [index for index, image in enumerate(images) if image.dtype == np.uint8]
        if len(as_bytes) == len(images):
            return self.normalise(_stacked(images, device))
        if not as_bytes:
            return _stacked(images, device)
        as_floats = [index for index, image in enumerate(images) if image.dtype != np.uint8]
        whole = torch.empty(len(images), *self.input_size, device=device)
        whole[as_bytes] = self.normalise(_stacked([images[index] for index in as_bytes], device))
        whole[as_floats] = _stacked([images[index] for index in as_floats], device)
        return whole

    def __call__(self, image: Image.Image) -> Tensor:
        """Turn an RGB image of any size into a normalised float32 tensor of `input_size`."""
        return self.normalise(torch.from_numpy(self.pixels(image))[None])[0]


def limit_aspect(image: Image.Image) -> Image.Image:
    """Crop an image of more than `MAX_ASPECT` to its middle; return any other as it is.

    A centre crop of what is left shows the same pixels.
    """
    width, height = image.size
    most = MAX_ASPECT * min(width, height)
    # Equal margins: the middle stays where it is, so the sides must stay even or odd.
    left = max(0, (width - most) // 2)
    top = max(0, (height - most) // 2)
    if not (left or top):
        return image
    return image.crop((left, top, width - left, height - top))


def _stacked(images: Sequence[Pixels], device: torch.device | str) -> Tensor:
    return torch.from_numpy(np.stack(images)).to(device)


def _channels(values: Sequence[float]) -> Channels:
    red, green, blue = values
    return float(red), float(green), float(blue)
