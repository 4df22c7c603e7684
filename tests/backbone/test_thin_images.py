"""Images that are much longer than wide cost no more than others, and look as timm makes them."""

import math
import tracemalloc
from time import perf_counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from timm.data import create_transform

from facet_vision import backbone
from facet_vision.backbone.preprocess import MAX_ASPECT, limit_aspect
from tests.backbone.test_preprocess import encoded

MODES = ("center", "squash", "border")
CONFIG = {"mean": (0.48, 0.46, 0.41), "std": (0.23, 0.22, 0.28), "crop_pct": 0.9}


def smooth(width: int, height: int) -> Image.Image:
    """Waves of several pixels' length: what a half pixel more or less hardly changes."""
    x, y = np.arange(width)[None, :, None], np.arange(height)[:, None, None]
    colours = np.array([0.0, 1.0, 2.0])
    waves = np.sin((x - width / 2) / 40 + colours) + np.cos((y - height / 2) / 40 + colours)
    return Image.fromarray((127 + 60 * waves).astype(np.uint8))


def preprocess(mode: str, side: int = 48) -> backbone.Preprocess:
    return backbone.Preprocess((3, side, side), crop_mode=mode, **CONFIG)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [(1200, 60), (61, 1500), (2000, 8), (7, 3000)])
def test_a_thin_image_looks_as_timm_makes_it(mode: str, size: tuple[int, int]) -> None:
    image = smooth(*size)
    timms = create_transform(
        (3, 48, 48), crop_mode=mode, interpolation="bicubic", is_training=False, **CONFIG
    )
    try:
        expected = timms(image)
    except ValueError:  # timm cannot make a side of no pixels
        assert mode == "border"
        return
    found = preprocess(mode)(image)
    assert (found - expected).abs().max() < 0.1


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "size", [(1, 300_000), (8_000, 1), (20_000_000, 1), (52, 1_048_616), (1, 1)]
)
def test_the_thinnest_images_take_no_time_and_no_memory(mode: str, size: tuple[int, int]) -> None:
    image = Image.new("RGB", size, (255, 0, 51))
    begun = perf_counter()
    tracemalloc.start()
    pixels = preprocess(mode, 224).pixels(image)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert pixels.shape == (3, 224, 224)
    assert perf_counter() - begun < 10  # what 54 million pixels take on a busy machine
    assert peak < 50e6
    found = {tuple(pixels[:, y, 112]) for y in (111, 112)}
    found |= {tuple(pixels[:, 112, x]) for x in (111, 112)}
    assert (255, 0, 51) in found


def test_a_strip_is_answered_from_its_bytes() -> None:
    data = encoded(Image.new("L", (1, 300_000), 128))
    assert len(data) < 2000
    pixels = preprocess("center", 224).decode(data)
    assert (pixels == 128).all()


@given(st.integers(1, 400), st.integers(1, 400))
def test_the_middle_stays_in_the_middle(width: int, height: int) -> None:
    image = Image.new("L", (width, height))
    kept = limit_aspect(image)
    short = min(width, height)
    assert min(kept.size) == short
    assert max(kept.size) <= MAX_ASPECT * short + 1
    assert (width - kept.width) % 2 == 0
    assert (height - kept.height) % 2 == 0
    if max(width, height) <= MAX_ASPECT * short:
        assert kept is image
    else:
        assert math.isclose(max(kept.size), MAX_ASPECT * short, abs_tol=1)
