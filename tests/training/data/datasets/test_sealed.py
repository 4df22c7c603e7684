"""The held-out part, of which nothing is there while hyperparameters are chosen."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from facet_vision.backbone import Backbone
from facet_vision.training.data.datasets import (
    SEALED,
    Examples,
    TaskData,
    for_selection,
)
from facet_vision.training.data.images import prepare
from facet_vision.training.errors import SealedPartError, TrainingError
from facet_vision.training.identity import digest_of
from facet_vision.training.recipe import make_recipe
from facet_vision.training.train import fitted
from facet_vision.training.tuning.trials import score_of

USES: dict[str, Callable[[Examples], object]] = {
    "length": len,
    "image": lambda part: part.image(0),
    "images": lambda part: part.images,
    "encoded": lambda part: part.encoded(0),
    "targets": lambda part: part.targets,
    "origins": lambda part: part.origins,
    "rows": lambda part: part.take([0]),
    "joined": lambda part: part.joined(part),
    "digest": digest_of,
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_whatever_touches_it_raises(use: Callable[[Examples], object], shades: TaskData) -> None:
    data = for_selection(shades, 0.2, seed=0)
    with pytest.raises(SealedPartError, match=r"^held-out part: expected no use of it "):
        use(data.test)
    with pytest.raises(SealedPartError):
        use(shades.train.joined(data.test))


def test_a_search_cannot_take_it_for_a_trial_that_failed() -> None:
    assert not issubclass(SealedPartError, TrainingError)


def test_it_holds_nothing(shades: TaskData) -> None:
    data = for_selection(shades, 0.2, seed=0)
    assert vars(data.test) == {}
    assert repr(data.test) == "Sealed()"
    assert data.test is data.keeping().test is SEALED


def test_a_trial_needs_only_what_is_there(shades: TaskData, tiny: Backbone) -> None:
    data = for_selection(shades, 0.2, seed=0)
    recipe = make_recipe(
        {"data": "x", "task": "x", "method": "linear", "lr": 1.0, "epochs": 4, "batch_size": 8}, {}
    )
    method = fitted(tiny, data, recipe)
    assert score_of(method, data) > 0.5
    assert data.measured is data.validation
    assert data.summary == "shades of grey, 24 training and 6 validation images"
    with pytest.raises(SealedPartError):
        score_of(method, replace(data, validation=None))
    with pytest.raises(SealedPartError):
        prepare(data.test, tiny.preprocess)
