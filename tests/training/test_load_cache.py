"""Backbones and data that the trainings of one run share."""

from pathlib import Path

import pytest

from facet_vision.training.load_cache import LoadCache
from facet_vision.training.recipe import make_recipe
from tests.training.support.pictures import picture


@pytest.mark.parametrize(
    "other",
    [
        {"seed": 1},
        {"holdout": 0.5},
        {"shots": 2},
        {"measure_on": "validation"},
        {"patience": 3},
        {"label_column": "x"},
    ],
)
def test_data_is_loaded_once_for_equal_recipes(other: dict, tmp_path: Path) -> None:
    for label in ("cat", "dog"):
        for number in range(6):
            picture(tmp_path / label / f"{number}.png")
    cache = LoadCache("cpu")
    given = {"data": str(tmp_path), "task": "t", "lr": 1.0}
    data = cache.data(make_recipe(given, {}))
    assert cache.data(make_recipe(given | {"lr": 2.0, "epochs": 3}, {})) is data
    if "label_column" in other:
        with pytest.raises(ValueError, match="label_column"):
            cache.data(make_recipe(given | other, {}))
    else:
        assert cache.data(make_recipe(given | other, {})) is not data
