"""Parts of a data set."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from facet_vision.training.data.datasets import (
    SEALED,
    Examples,
    TaskData,
    for_selection,
    take_fraction,
    take_shots,
    with_all_training,
)
from facet_vision.training.data.datasets.splits import draw, hold_out, rows_by_label
from facet_vision.training.errors import DataError


def _data(targets: list, labels: int, *, validation: list | None = None) -> TaskData:
    multi_label = any(isinstance(target, tuple) for target in targets)
    names = tuple("abcdefghij"[:labels])
    held_out = None if validation is None else _examples(validation)
    return TaskData(
        _examples(targets),
        _examples([0]),
        names,
        "test",
        validation=held_out,
        multi_label=multi_label,
    )


def _examples(targets: list) -> Examples:
    images = [Image.new("RGB", (1, 1), (row % 256, row // 256, 0)) for row in range(len(targets))]
    return Examples(images, targets)


def _sizes(examples: Examples, labels: int) -> list[int]:
    return [len(rows) for rows in rows_by_label(examples.targets, labels)]


def _ids(examples: Examples) -> list[int]:
    return [id(image) for image in examples.images]


def test_800_and_200_of_1000_as_in_vtab() -> None:
    data = _data([row % 7 for row in range(1000)], 7)
    chosen = for_selection(data, 200, seed=0)
    assert (len(chosen.train), len(chosen.measured)) == (800, 200)
    assert set(_ids(chosen.train)) | set(_ids(chosen.measured)) == set(_ids(data.train))
    assert max(_sizes(chosen.measured, 7)) - min(_sizes(chosen.measured, 7)) <= 1
    assert _ids(for_selection(data, 200, seed=0).measured) == _ids(chosen.measured)
    assert _ids(for_selection(data, 200, seed=1).measured) != _ids(chosen.measured)
    assert with_all_training(data) is data


def test_share_of_every_class_for_validation() -> None:
    chosen = for_selection(_data([0] * 50 + [1] * 10, 2), 0.2, seed=0)
    assert _sizes(chosen.measured, 2) == [10, 2]
    assert _sizes(chosen.train, 2) == [40, 8]


def test_own_validation_part_is_used_and_joined_after_the_choice() -> None:
    data = _data([0, 1, 0, 1], 2, validation=[1, 0])
    chosen, final = for_selection(data, 0.5, seed=0), with_all_training(data)
    assert (_ids(chosen.train), _ids(chosen.measured)) == (_ids(data.train), _ids(data.validation))
    assert (_ids(final.train), _ids(final.test)) == (
        _ids(data.train) + _ids(data.validation),
        _ids(data.test),
    )
    assert final.train.targets == [0, 1, 0, 1, 1, 0]
    assert chosen.test is SEALED
    assert final.validation is None


@pytest.mark.parametrize(
    ("amount", "sentence"),
    [
        (4, r"^validation: expected a share below 1 or a number below 4, found 4$"),
        (1.5, r"^validation: expected a share below 1 or a number below 4, found 1\.5$"),
        (0.1, r"^validation: expected at least 1 of 4 training images, found none in 0\.1$"),
    ],
)
def test_validation_parts_that_cannot_be(amount: float, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        for_selection(_data([0, 1, 0, 1], 2), amount, seed=0)


def test_shots_of_each_class() -> None:
    data = _data([0] * 9 + [1] * 5, 2)
    few, fewer = take_shots(data, 5, seed=0), take_shots(data, 2, seed=0)
    assert _sizes(few.train, 2) == [5, 5]
    assert _sizes(fewer.train, 2) == [2, 2]
    assert set(_ids(fewer.train)) < set(_ids(few.train))
    assert few.test is data.test
    assert _ids(take_shots(data, 2, seed=1).train) != _ids(fewer.train)
    with pytest.raises(
        DataError, match=r"^shots: expected at most 5, the training images of class 'b', found 6$"
    ):
        take_shots(data, 6, seed=0)


def test_fraction_of_each_class() -> None:
    data = _data([0] * 20 + [1] * 4, 2)
    quarter = take_fraction(data, 0.25, seed=0)
    assert _sizes(quarter.train, 2) == [5, 1]
    assert _sizes(take_fraction(data, 0.01, seed=0).train, 2) == [1, 1]
    assert set(_ids(quarter.train)) < set(_ids(take_fraction(data, 0.5, seed=0).train))


def test_single_image_cannot_be_held_out() -> None:
    with pytest.raises(
        DataError,
        match=r"^class 'b': expected at least 2 readable images to hold one out, found 1$",
    ):
        hold_out(_examples([0, 0, 1]), ("a", "b"), share=0.5, seed=0)


label_sets = st.lists(
    st.sets(st.integers(0, 4)).map(lambda labels: tuple(sorted(labels))), min_size=1, max_size=60
)


@given(label_sets, st.integers(0, 6), st.integers(0, 3))
def test_drawn_rows_meet_the_quota_of_every_label(
    targets: list[tuple[int, ...]], quota: int, seed: int
) -> None:
    members = rows_by_label(targets, 5)
    quotas = [min(quota, len(rows)) for rows in members]
    drawn = draw(targets, quotas, seed)
    assert drawn == sorted(set(drawn))
    assert all(
        len(set(rows) & set(drawn)) >= wanted for rows, wanted in zip(members, quotas, strict=True)
    )


def test_rare_labels_are_drawn_before_common_ones() -> None:
    targets = [(0, 1)] * 4 + [(0,)] * 36  # every row with the rare label has the common one
    rest, held_out = hold_out(_examples(targets), ("common", "rare"), share=0.25, seed=0)
    assert _sizes(held_out, 2) == [10, 1]
    assert _sizes(rest, 2) == [30, 3]


def test_images_without_labels_stay_in_training() -> None:
    data = _data([(), (0,), (0, 1), (1,), ()], 2)
    chosen = for_selection(replace(data, multi_label=True), 0.5, seed=0)
    assert [target for target in chosen.train.targets if not target] == [(), ()]
