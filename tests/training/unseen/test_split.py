"""Classes that are kept out: the seed decides which, and no image of theirs is learned from."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from facet_vision.training.data.datasets import Examples, TaskData
from facet_vision.training.errors import DataError
from facet_vision.training.unseen.split import split


def problem(classes: int, per_class: int = 4) -> TaskData:
    """Each image's first pixel is the index of its class."""
    targets = [row % classes for row in range(classes * per_class)]
    images = [Image.new("RGB", (2, 2), (target, 0, 0)) for target in targets]
    labels = tuple(f"class {index}" for index in range(classes))
    return TaskData(Examples(images, targets), Examples(images, targets), labels, "a problem")


@given(classes=st.integers(3, 30), seed=st.integers(0, 1000))
def test_images_keep_their_class_under_another_number(classes: int, seed: int) -> None:
    data = problem(classes)
    parts = split(data, seed)
    known, out = parts.known, classes - len(parts.known.labels)
    assert out == min(max(1, round(classes / 4)), classes - 2)
    for part in (known.train, known.test):
        for row, target in enumerate(part.targets):
            assert isinstance(target, int)
            assert known.labels[target] == f"class {part.image(row).getpixel((0, 0))[0]}"
    unseen = {parts.unseen.image(row).getpixel((0, 0))[0] for row in range(len(parts.unseen))}
    assert len(unseen) == out
    assert not {f"class {index}" for index in unseen} & set(known.labels)
    assert len(parts.unseen) + len(known.test) == len(data.test)
    assert split(data, seed).known.labels == known.labels


def test_seeds_differ() -> None:
    assert len({split(problem(12), seed).known.labels for seed in range(5)}) == 5


def test_what_has_no_class_to_spare_is_refused() -> None:
    with pytest.raises(DataError, match=r"expected three classes or more .* found 2"):
        split(problem(2), 0)
    with pytest.raises(DataError, match="found a multi-label set"):
        split(replace(problem(5), multi_label=True), 0)
