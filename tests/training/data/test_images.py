"""Preprocessed images by the batch."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from facet_vision.backbone import Backbone
from facet_vision.training.data import images
from facet_vision.training.data.augment import Augmented
from facet_vision.training.data.datasets import Encoded, Examples, TaskData
from facet_vision.training.data.images import (
    InMemory,
    MappedInputs,
    Streamed,
    in_order,
    keep,
    map_inputs,
    prepare,
)


def test_budget_decides_whether_images_stay_in_memory(tiny: Backbone, shades: TaskData) -> None:
    needed = 30 * 3 * 16 * 16 * 4
    assert isinstance(prepare(shades.train, tiny.preprocess, budget=needed), InMemory)
    assert isinstance(prepare(shades.train, tiny.preprocess, budget=needed - 1), Streamed)


def test_streamed_rows_are_those_in_memory(tiny: Backbone, shades: TaskData) -> None:
    memory = prepare(shades.train, tiny.preprocess)
    streamed = prepare(shades.train, tiny.preprocess, budget=0)
    order = torch.randperm(30, generator=torch.Generator().manual_seed(0)).split(7)
    for held, decoded in zip(memory.batches(order), streamed.batches(order), strict=True):
        torch.testing.assert_close(held, decoded, rtol=0, atol=0)


def test_a_large_jpeg_is_decoded_as_in_the_server_from_any_storage(
    tiny: Backbone, tmp_path: Path
) -> None:
    buffer = io.BytesIO()
    noise = torch.randint(
        0, 256, (200, 200, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8
    )
    Image.fromarray(noise.numpy()).save(buffer, "JPEG")
    (tmp_path / "a.jpg").write_bytes(buffer.getvalue())
    inputs = prepare(
        Examples([tmp_path / "a.jpg", Encoded(buffer.getvalue())], [0, 0]), tiny.preprocess
    )
    served = tiny.preprocess.normalise(
        torch.from_numpy(tiny.preprocess.decode(buffer.getvalue()))[None]
    )
    for row in next(inputs.batches(in_order(2, 2))):
        torch.testing.assert_close(row, served[0], rtol=0, atol=0)


def test_in_order_covers_every_row_once() -> None:
    assert torch.cat(list(in_order(10, 4))).tolist() == list(range(10))


def test_a_frozen_function_is_computed_once_for_rows_in_memory(
    tiny: Backbone, shades: TaskData
) -> None:
    seen: list[int] = []

    def function(batch: torch.Tensor) -> torch.Tensor:
        seen.append(len(batch))
        return 2 * batch

    memory = prepare(shades.train, tiny.preprocess)
    order = [torch.tensor([3, 1])]
    doubled = map_inputs(function, memory)
    for _ in range(2):
        torch.testing.assert_close(next(doubled.batches(order)), 2 * next(memory.batches(order)))
    assert seen == [30]
    streamed = map_inputs(function, prepare(shades.train, tiny.preprocess, budget=0))
    for _ in range(2):
        torch.testing.assert_close(next(streamed.batches(order)), 2 * next(memory.batches(order)))
    assert (len(doubled), len(streamed), seen) == (30, 30, [30, 2, 2])


def test_a_frozen_function_sees_the_images_of_the_epoch(shades: TaskData) -> None:
    drawn = Augmented(shades.train, lambda _: torch.rand(1), seed=0)
    order = [torch.tensor([3, 1])]
    doubled = map_inputs(lambda batch: 2 * batch, drawn)
    assert isinstance(doubled, MappedInputs)
    expected, found = (next(rows.of_epoch(1).batches(order)) for rows in (drawn, doubled))
    torch.testing.assert_close(found, 2 * expected)
    assert not torch.equal(found, next(doubled.of_epoch(2).batches(order)))


def test_preprocessed_images_are_kept_where_that_is_wanted(
    tiny: Backbone, shades: TaskData
) -> None:
    kept = shades.keeping()
    first = prepare(kept.train, tiny.preprocess)
    assert prepare(kept.train, tiny.preprocess) is first
    assert prepare(kept.test, tiny.preprocess) is not first
    other = replace(tiny.preprocess, crop_mode="squash")
    assert prepare(kept.train, other) is not first
    assert prepare(shades.train, tiny.preprocess) is not prepare(shades.train, tiny.preprocess)
    assert shades.train == kept.train  # to keep something changes no data


def test_images_are_kept_before_they_are_used(
    tiny: Backbone, shades: TaskData, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = shades.keeping()
    keep(kept.train, tiny.preprocess)
    assert list(kept.train.kept or ()) == [tiny.preprocess]
    keep(shades.train, tiny.preprocess)  # keeps nothing
    monkeypatch.setattr(images, "KEPT_BYTES", 10)
    keep(kept.test, tiny.preprocess)
    prepare(kept.test, tiny.preprocess)
    assert kept.test.kept == {}
