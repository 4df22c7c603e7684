"""Decoding accepts what cameras and browsers send and refuses the rest in one sentence."""

import io
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image
from timm.data import create_transform, resolve_data_config

from facet_vision import backbone
from tests.backbone.families import build


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def noise(mode: str = "RGB", size: tuple[int, int] = (20, 12)) -> Image.Image:
    shape = (size[1], size[0], len(mode)) if len(mode) > 1 else (size[1], size[0])
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8), mode)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_common_formats_become_rgb(kind: str) -> None:
    image = backbone.decode_image(encoded(noise(), kind))
    assert (image.mode, image.size) == ("RGB", (20, 12))


@pytest.mark.parametrize("mode", ["L", "RGBA"])
def test_other_modes_become_rgb(mode: str) -> None:
    assert backbone.decode_image(encoded(noise(mode))).mode == "RGB"


def test_sixteen_bit_grey_keeps_its_range() -> None:
    values = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    decoded = np.asarray(backbone.decode_image(encoded(Image.fromarray(values))))
    assert decoded.min() == 0
    assert decoded.max() == 255
    assert 120 < decoded.mean() < 135


def test_a_palette_with_transparency_decodes_without_a_warning() -> None:
    image = noise().quantize(8)
    assert backbone.decode_image(encoded(image, transparency=b"\x00\x7f\xff")).mode == "RGB"


def test_exif_orientation_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert backbone.decode_image(encoded(noise(), "JPEG", exif=exif)).size == (12, 20)


def turned(size: tuple[int, int]) -> bytes:
    """A JPEG that is to be shown turned by a quarter."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(noise(size=size), "JPEG", exif=exif)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_a_reduced_jpeg_becomes_rgb(mode: str) -> None:
    image = backbone.decode_image(encoded(noise(size=(80, 40)).convert(mode), "JPEG"), enough=10)
    assert (image.mode, image.size) == ("RGB", (20, 10))


def test_what_is_reduced_is_turned_limited_and_checked_as_ever() -> None:
    assert backbone.decode_image(turned((80, 40)), enough=10).size == (10, 20)
    with pytest.raises(backbone.ImageError, match="expected at most 3199 pixels, found 80 x 40"):
        backbone.decode_image(turned((80, 40)), enough=10, max_pixels=3199)
    with pytest.raises(backbone.ImageError, match="found damaged data"):
        backbone.decode_image(turned((800, 400))[:-100], enough=10)


def test_other_formats_are_not_reduced() -> None:
    assert backbone.decode_image(encoded(noise(size=(80, 40))), enough=10).size == (80, 40)


def test_preprocessing_asks_for_more_than_the_side_that_it_resizes_to() -> None:
    cropping = backbone.Preprocess((3, 16, 24), (0.5,) * 3, (0.5,) * 3, crop_pct=0.5)
    assert cropping.enough == 3.75 * 48
    data = encoded(noise(size=(600, 576)), "JPEG")
    reduced = cropping.pixels(backbone.decode_image(data, enough=180))
    np.testing.assert_array_equal(cropping.decode(data), reduced)
    assert not np.array_equal(reduced, cropping.pixels(backbone.decode_image(data)))


def bomb(side: int) -> bytes:
    """A PNG of a few bytes that claims side x side pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0"))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "found no bytes"),
        (b"hello, world", "found 12 bytes of something else"),
        (encoded(noise(size=(300, 300)))[:2000], "found damaged data"),
        (encoded(noise(size=(300, 300)), "JPEG")[:2000], "found damaged data"),
        (encoded(noise())[:20], "found"),
        (bomb(9_000), "found 9000 x 9000"),
        (bomb(12_000), "at most 64000000 pixels"),
        (bomb(60_000), "at most 64000000 pixels"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "expected one of JPEG, PNG"),
    ],
)
def test_bad_bytes_are_refused_in_one_sentence(data: bytes, words: str) -> None:
    with pytest.raises(backbone.ImageError, match=words) as caught:
        backbone.decode_image(data)
    assert "\n" not in str(caught.value)


def test_the_pixel_limit_can_be_lowered() -> None:
    with pytest.raises(backbone.ImageError, match="expected at most 100 pixels, found 20 x 12"):
        backbone.decode_image(encoded(noise()), max_pixels=100)


def test_preprocessing_follows_the_models_data_config() -> None:
    model = build("plain")
    model.pretrained_cfg = {
        "mean": (0.5, 0.4, 0.3),
        "std": (0.2, 0.2, 0.1),
        "crop_pct": 1.0,
        "interpolation": "bilinear",
    }
    net = backbone.wrap(model, device="cpu")
    assert (net.input_size, net.mean, net.std) == ((3, 32, 32), (0.5, 0.4, 0.3), (0.2, 0.2, 0.1))

    tensor = net.preprocess(Image.new("RGB", (90, 50), (255, 0, 51)))

    assert tensor.dtype == torch.float32
    assert tensor.shape == (3, 32, 32)
    expected = torch.tensor([(1 - 0.5) / 0.2, (0 - 0.4) / 0.2, (0.2 - 0.3) / 0.1])
    torch.testing.assert_close(tensor, expected.view(3, 1, 1).expand(3, 32, 32))


@pytest.mark.parametrize("crop_mode", ["center", "squash", "border"])
@pytest.mark.parametrize("size", [(90, 50), (31, 77), (8, 8)])
def test_pixels_normalised_by_the_batch_are_what_timms_own_pipeline_makes(
    crop_mode: str, size: tuple[int, int]
) -> None:
    values = {
        "input_size": (3, 24, 16),
        "mean": (0.48, 0.46, 0.41),
        "std": (0.23, 0.22, 0.28),
        "crop_mode": crop_mode,
    }
    preprocess = backbone.Preprocess(crop_pct=0.9, **values)
    images = [noise(size=size), noise(size=size).transpose(Image.Transpose.ROTATE_180)]

    batch = preprocess.normalise(
        torch.from_numpy(np.stack([preprocess.pixels(image) for image in images]))
    )

    timms = create_transform(interpolation="bicubic", crop_pct=0.9, is_training=False, **values)
    torch.testing.assert_close(
        batch, torch.stack([timms(image) for image in images]), rtol=0, atol=0
    )
    torch.testing.assert_close(preprocess(images[0]), batch[0], rtol=0, atol=0)


@pytest.mark.parametrize("crop_pct", [0.5, 0.875, 1.0])
@pytest.mark.parametrize("crop_mode", ["center", "squash", "border"])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_the_input_of_a_model_is_what_timm_makes_of_its_data_config(
    crop_pct: float, crop_mode: str, interpolation: str
) -> None:
    model = build("plain")
    model.pretrained_cfg = {
        "input_size": (3, 32, 32),
        "mean": (0.48, 0.46, 0.41),
        "std": (0.23, 0.22, 0.28),
        "crop_pct": crop_pct,
        "crop_mode": crop_mode,
        "interpolation": interpolation,
    }
    timms = create_transform(**resolve_data_config(model=model), is_training=False)
    image = noise(size=(90, 50))

    found = backbone.wrap(model, device="cpu").preprocess(image)

    torch.testing.assert_close(found, timms(image), rtol=0, atol=0)


def ramp(width: int, height: int) -> Image.Image:
    """An image whose red says how far to the right a pixel is, and whose green how far down."""
    right = np.tile((np.arange(width) + 0.5) / width * 255, (height, 1))
    down = np.tile(((np.arange(height) + 0.5) / height * 255)[:, None], (1, width))
    values = np.stack([right, down, np.full_like(right, 128)], axis=2)
    return Image.fromarray(values.round().astype(np.uint8))


@pytest.mark.parametrize("size", [(300, 200), (150, 400), (90, 90), (900, 100)])
@pytest.mark.parametrize("sides", [(64, 64), (64, 96)])
@pytest.mark.parametrize("crop_pct", [1.0, 0.875])
@pytest.mark.parametrize("mode", ["center", "squash", "border"])
def test_the_box_is_what_becomes_the_input(
    mode: str, crop_pct: float, sides: tuple[int, int], size: tuple[int, int]
) -> None:
    half = (0.5, 0.5, 0.5)
    preprocess = backbone.Preprocess((3, *sides), half, half, "bilinear", crop_pct, mode)
    left, top, right, bottom = preprocess.box(size)
    pixels = preprocess.pixels(ramp(*size)).astype(float) / 255
    across = left + (np.arange(sides[1]) + 0.5) / sides[1] * (right - left)
    down = top + (np.arange(sides[0]) + 0.5) / sides[0] * (bottom - top)
    # to half a pixel of the input; at the edge of the image resizing mixes in what is beyond
    for found, wanted, part in (
        (pixels[0, sides[0] // 2], across, right - left),
        (pixels[1, :, sides[1] // 2], down, bottom - top),
    ):
        inside = (wanted > 0.03) & (wanted < 0.97)
        assert np.abs(found - wanted)[inside].max() < 0.02 + 0.5 * part / len(wanted)
    assert mode == "border" or min(left, top) >= 0
    # of a smaller copy of the image it is the same
    smaller = preprocess.box((size[0] // 2, size[1] // 2))
    assert smaller == pytest.approx((left, top, right, bottom), abs=0.02)
