"""Large JPEGs are decoded at a fraction of their size, and the builtin tasks answer alike."""

import io
import itertools

import pytest
import torch
from PIL import Image
from torch import Tensor

from facet_vision.backbone import Backbone, decode_image, load
from facet_vision.prompts_store import TaskFile, builtin
from facet_vision.service.engine.engine import Engine
from facet_vision.service.engine.resident import Resident
from facet_vision.training.data import datasets

IMAGES = 40
SIDE = 720
"""The worst case: 1/4 of it is just what the embedded backbone's preprocessing asks for."""

MOVED = 0.015
"""Largest mean change of an image's scores; a step of JPEG quality changes them by up to 0.007."""

LEVEL = 0.1
"""Labels whose probabilities differ by less may swap, as they may by a step of JPEG quality."""


@pytest.fixture(scope="module")
def tiny() -> Backbone:
    return load("facet-tiny", device="cpu", dtype="float32")


def test_a_large_jpeg_is_reduced_and_a_small_one_is_not(tiny: Backbone) -> None:
    assert tiny.preprocess.enough == 180
    sizes = {
        side: min(decode_image(_jpeg(_plain(side)), enough=180).size)
        for side in (64, 359, 360, 720, 1440, 4000)
    }
    assert sizes == {64: 64, 359: 359, 360: 180, 720: 180, 1440: 180, 4000: 500}


@pytest.mark.parametrize("task", builtin.names())
def test_predictions_are_those_of_the_whole_image(tiny: Backbone, task: str) -> None:
    """Every held-out image sent as a large JPEG has the same label, unless two were level."""
    engine = Engine(tiny)
    resident = engine.place_tested(TaskFile.from_bytes(builtin.read(task)), 1)
    files = [
        _jpeg(image.resize((SIDE, SIDE), Image.Resampling.BICUBIC)) for image in _held_out(task)
    ]

    whole = _scores(
        engine, resident, [tiny.preprocess.pixels(decode_image(file)) for file in files]
    )
    reduced = _scores(engine, resident, [tiny.preprocess.decode(file) for file in files])

    assert not torch.equal(whole, reduced), "nothing was reduced"
    assert (whole - reduced).abs().amax(1).mean() < MOVED
    best, second = whole.topk(2).values.unbind(1)
    clear = best - second > LEVEL
    assert clear.sum() > 0.7 * IMAGES
    torch.testing.assert_close(reduced.argmax(1)[clear], whole.argmax(1)[clear], rtol=0, atol=0)


def _held_out(task: str) -> list[Image.Image]:
    test = datasets.load(task).test
    return [
        test.image(row)
        for row in itertools.islice(range(0, len(test), len(test) // IMAGES), IMAGES)
    ]


def _scores(engine: Engine, resident: Resident, images: list[Tensor]) -> Tensor:
    return engine.run([(resident, images)])[0]


def _plain(side: int) -> Image.Image:
    return Image.new("RGB", (side, side + 7))


def _jpeg(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
