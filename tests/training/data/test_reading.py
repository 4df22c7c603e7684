"""Images that a recipe learns from and measures on."""

from pathlib import Path

import pytest

from facet_vision.training.data.datasets import SEALED
from facet_vision.training.data.reading import read_data, read_training_part
from facet_vision.training.errors import DataError
from facet_vision.training.recipe import make_recipe
from tests.training.support.pictures import picture


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for part, count in (("train", 6), ("val", 3), ("test", 2)):
        for label in ("cat", "dog"):
            for number in range(count):
                picture(tmp_path / part / label / f"{number}.png")
    return tmp_path


def _counts(folder: Path, **given: object) -> tuple[int, ...]:
    """Return the numbers of training, validation (if there are any) and held-out images."""
    data = read_data(make_recipe({"data": str(folder), "task": "t", "lr": 1.0} | given, {}))
    assert data.test.sealed is (given.get("measure_on") == "validation")
    return tuple(map(len, data.parts.values()))


@pytest.mark.parametrize(
    ("given", "counts"),
    [
        ({}, (18, 4)),
        ({"measure_on": "validation"}, (12, 6)),
        ({"shots": 5}, (10, 4)),
        ({"shots": 5, "measure_on": "validation"}, (10, 6)),
        ({"fraction": 0.5}, (8, 4)),
        ({"fraction": 0.5, "measure_on": "validation"}, (6, 6)),
        ({"patience": 5}, (12, 6, 4)),
        ({"patience": 5, "measure_on": "validation"}, (12, 6)),
        ({"patience": 5, "shots": 5}, (10, 6, 4)),
    ],
)
def test_parts_of_a_source_with_three(folder: Path, given: dict, counts: tuple[int, ...]) -> None:
    assert _counts(folder, **given) == counts


@pytest.mark.parametrize(
    ("given", "counts"),
    [
        ({"holdout": 0.5}, (6, 6)),
        ({"measure_on": "validation", "holdout": 0.5}, (4, 2)),
        ({"measure_on": "validation", "holdout": 0.5, "validation": 4}, (2, 4)),
        ({"measure_on": "validation", "holdout": 0.5, "validation": 2, "shots": 2}, (2, 2)),
        ({"patience": 5, "holdout": 0.5, "validation": 2}, (4, 2, 6)),
        ({"patience": 5, "holdout": 0.5, "validation": 0.5, "shots": 2}, (2, 2, 6)),
    ],
)
def test_parts_of_a_source_with_one(folder: Path, given: dict, counts: tuple[int, ...]) -> None:
    assert _counts(folder / "train", **given) == counts


def test_the_part_that_stops_the_fitting_is_neither_learned_from_nor_measured_on(
    folder: Path,
) -> None:
    given = {"data": str(folder / "train"), "task": "t", "lr": 1.0, "holdout": 0.5}
    whole, watched = (read_data(make_recipe(given | more, {})) for more in ({}, {"patience": 5}))
    assert watched.validation is not None
    assert watched.test.images == whole.test.images
    assert sorted([*watched.train.images, *watched.validation.images]) == sorted(whole.train.images)
    assert not set(watched.train.images) & set(watched.validation.images)
    chosen = read_data(make_recipe(given | {"patience": 5, "measure_on": "validation"}, {}))
    assert chosen.measured.images == watched.validation.images


def test_the_held_out_part_is_not_used_while_choosing(folder: Path) -> None:
    given = {"data": str(folder / "train"), "task": "t", "lr": 1.0, "holdout": 0.5}
    final = read_data(make_recipe(given, {}))
    chosen = read_data(make_recipe(given | {"measure_on": "validation"}, {}))
    assert {*chosen.train.images, *chosen.measured.images} == set(final.train.images)
    assert chosen.test is SEALED


def test_what_a_final_training_learns_from_is_read_without_what_it_is_measured_on(
    folder: Path,
) -> None:
    recipe = make_recipe({"data": str(folder), "task": "t", "lr": 1.0, "shots": 5}, {})
    sealed, whole = read_training_part(recipe), read_data(recipe)
    assert sealed.train == whole.train
    assert sealed.test is SEALED


def test_shots_or_a_fraction(folder: Path) -> None:
    with pytest.raises(
        DataError, match=r"^shots and fraction: expected one of them, found 2 and 0\.5$"
    ):
        _counts(folder, shots=2, fraction=0.5)
