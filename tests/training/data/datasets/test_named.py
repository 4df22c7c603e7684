"""Data sets that are known by name."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from facet_vision import backbone
from facet_vision.training.data.datasets import load, named
from facet_vision.training.data.images import prepare
from facet_vision.training.errors import DataError


def test_digits_have_a_fixed_split_of_1000_and_797() -> None:
    data = load("digits", seed=5)
    assert (len(data.train), len(data.test)) == (1000, 797)
    assert data.train.targets == load("digits", seed=0).train.targets
    assert data.labels == tuple("0123456789")
    assert set(data.test.targets) == set(range(10))


def test_digits_have_full_contrast() -> None:
    pixels = np.asarray(load("digits").train.image(0))
    assert pixels.shape == (64, 64, 3)
    assert pixels.max() > 200


def test_demo_sets_load_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(named, "DEMO_IMAGES", 16)
    data = load("count")
    assert (len(data.train), len(data.test), len(data.labels)) == (16, 16, 8)
    assert "demo set count" in data.description


def test_unknown_source_is_one_sentence() -> None:
    with pytest.raises(
        DataError,
        match=r"^data: expected a folder, a table .* or one of digits, .*, found 'nowhere'$",
    ):
        load("nowhere")


def test_images_reach_the_network_as_over_http(tiny: backbone.Backbone) -> None:
    examples = load("digits").test.take(range(4))
    inputs = next(prepare(examples, tiny.preprocess).batches([torch.arange(4)]))
    for index in range(4):
        served = tiny.preprocess(backbone.decode_image(_png(examples.image(index))))
        torch.testing.assert_close(inputs[index], served, rtol=0, atol=0)


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
