"""What a training must be, against what `facet train` does."""

from typing import get_args

import pytest

from facet_vision.service.trainings.checks import LEAST_IMAGES, LEAST_IMAGES_OF_AUTO
from facet_vision.service.trainings.record import Method
from facet_vision.training.data.datasets import TaskData, for_selection
from facet_vision.training.data.datasets.examples import Examples
from facet_vision.training.data.datasets.splits import hold_out
from facet_vision.training.errors import DataError
from facet_vision.training.methods import find
from facet_vision.training.new_recipe import new_recipe
from facet_vision.training.tuning.auto import AUTO, CANDIDATES
from tests.service.support.trainings import picture

RECIPE = new_recipe(data="digits", task="t")


def test_every_method_makes_what_a_server_can_serve() -> None:
    methods = set(get_args(Method)) - {AUTO}
    assert methods >= set(CANDIDATES)
    for name in methods:
        assert find(name).served, name


def part(each: int) -> tuple[Examples, Examples]:
    """What is left of so many images of each of two labels, and what is held out of them."""
    given = Examples([picture("red", 0)] * (2 * each), [0] * each + [1] * each)  # type: ignore[list-item]
    return hold_out(given, ("a", "b"), share=RECIPE.holdout, seed=0)


def test_as_many_images_as_are_asked_for_are_enough_and_fewer_are_not() -> None:
    assert [len(each) for each in part(LEAST_IMAGES)] == [2, 2]
    with pytest.raises(DataError, match="at least 2 readable images"):
        part(LEAST_IMAGES - 1)


def test_auto_has_images_to_choose_on() -> None:
    def chosen_on(each: int) -> int:
        train, test = part(each)
        data = for_selection(TaskData(train, test, ("a", "b"), "x"), RECIPE.validation, 0)
        assert data.validation is not None
        return len(data.validation)

    assert chosen_on(LEAST_IMAGES_OF_AUTO) == 2
    with pytest.raises(DataError, match="validation: expected at least 1"):
        chosen_on(LEAST_IMAGES_OF_AUTO - 1)
