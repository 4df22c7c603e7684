"""What decoding an image takes is known, and bounded, before it begins."""

import io
from time import perf_counter

import numpy as np
import pytest
from PIL import Image

from facet_vision import backbone
from facet_vision.backbone.decode import MAX_SCANS
from tests.backbone.test_preprocess import encoded


def jpeg(size: tuple[int, int] = (200, 100), **options: object) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return encoded(Image.fromarray(pixels), "JPEG", **options)


def with_scans(count: int, size: tuple[int, int] = (200, 100)) -> bytes:
    """A progressive JPEG whose last scan is there many times, as a decoder accepts it."""
    data = jpeg(size, progressive=True)
    start = data.rindex(b"\xff\xda")
    return data[:start] + data[start:-2] * count + data[-2:]


def test_the_work_is_known_from_the_header() -> None:
    assert backbone.open_image(encoded(Image.new("RGB", (30, 20)))).work == 600
    assert backbone.open_image(jpeg()).work == 20_000
    assert backbone.open_image(jpeg(progressive=True)).work == 10 * 20_000


def test_every_scan_counts() -> None:
    usual = backbone.open_image(jpeg(progressive=True)).work
    assert backbone.open_image(with_scans(7)).work == usual + 6 * 20_000


def test_a_photo_in_the_metadata_is_no_scan() -> None:
    exif = Image.Exif()
    exif[0x010E] = "description"
    thumbnail = jpeg((60, 40), progressive=True)
    data = jpeg(progressive=True, exif=exif.tobytes() + thumbnail)
    assert backbone.open_image(data).work == 10 * 20_000


def test_what_follows_the_image_is_no_scan() -> None:
    film = np.random.default_rng(0).bytes(2_000_000)
    assert backbone.open_image(jpeg(progressive=True) + film).work == 10 * 20_000


def test_more_scans_than_any_encoder_makes_are_refused_before_the_work() -> None:
    data = with_scans(3000, (1000, 1000))
    begun = perf_counter()
    with pytest.raises(
        backbone.ImageError,
        match=r"^image: expected a JPEG of 1000 x 1000 pixels in at most 640 scans, found more$",
    ):
        backbone.decode_image(data)
    assert perf_counter() - begun < 1


def test_a_small_image_may_have_more_scans() -> None:
    assert backbone.decode_image(with_scans(60), max_pixels=20_000 * 7).size == (200, 100)
    with pytest.raises(backbone.ImageError, match="in at most 60 scans"):
        backbone.decode_image(with_scans(60), max_pixels=20_000 * 60 // MAX_SCANS)


@pytest.mark.parametrize("cut", [700, 3000, 9000])
def test_a_cut_file_is_counted_as_far_as_it_goes(cut: int) -> None:
    whole = jpeg(progressive=True)
    assert 20_000 <= backbone.open_image(whole[:cut]).work <= 10 * 20_000


def test_an_opened_image_gives_the_pixels_of_its_bytes() -> None:
    preprocess = backbone.Preprocess((3, 32, 32), (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    data = jpeg((900, 700))
    opened = preprocess.decode_opened(backbone.open_image(data))
    assert np.array_equal(opened, preprocess.decode(data))
    assert Image.open(io.BytesIO(data)).size == (900, 700)
