"""The loop that fits a method."""

import pytest
import torch

from facet_vision.backbone import Backbone
from facet_vision.training.data.datasets import TaskData
from facet_vision.training.data.images import prepare
from facet_vision.training.errors import TrainingError
from facet_vision.training.fitting.loop import NullCheckpointer, Step, fit
from facet_vision.training.fitting.schedule import rate_factor, steps_per_epoch
from facet_vision.training.fitting.state import FittingState
from facet_vision.training.methods import find
from facet_vision.training.methods.method import Method
from facet_vision.training.recipe import Recipe, make_recipe
from facet_vision.training.train import fit_to
from tests.training.support.small import several_labels, watched


def _recipe(**given: object) -> Recipe:
    return make_recipe(
        {"data": "x", "task": "x", "lr": 0.4, "tokens": 2, "batch_size": 8, "epochs": 3} | given, {}
    )


def _method(tiny: Backbone, recipe: Recipe) -> Method:
    return find(recipe.method)(tiny, 3, recipe, _generator())


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_every_row_is_seen_once_in_every_epoch(tiny: Backbone, shades: TaskData) -> None:
    recipe, steps = _recipe(), list[Step]()
    method = _method(tiny, recipe)
    images = prepare(shades.train, tiny.preprocess)
    fit(method, images, torch.tensor(shades.train.targets), recipe, _generator(), steps.append)
    assert len(steps) == 3 * steps_per_epoch(30, recipe) == 12
    assert [step.images for step in steps[:4]] == [8, 8, 8, 6]
    assert [step.epoch for step in steps[::4]] == [0, 1, 2]
    assert [step.number for step in steps] == list(range(12))
    assert not method.training


def test_a_loss_that_is_not_finite_ends_the_run(tiny: Backbone, shades: TaskData) -> None:
    method = _method(tiny, _recipe(lr=1e38, optimizer="sgd", warmup=0))
    with pytest.raises(
        TrainingError, match=r"^loss: expected a finite number, found (nan|inf) in epoch 1; "
    ):
        fit_to(method, shades, _generator())


def test_an_epoch_is_recorded(tiny: Backbone, shades: TaskData) -> None:
    recipe, steps = _recipe(head_lr=0.2), list[Step]()
    records = fit_to(_method(tiny, recipe), shades, _generator(), steps.append)
    assert [record["epoch"] for record in records] == [1, 2, 3]
    for record, last in zip(records, (3, 7, 11), strict=True):
        losses = [step.loss * step.images for step in steps if step.epoch == record["epoch"] - 1]
        assert record["loss"] == pytest.approx(sum(losses) / 30)
        factor = rate_factor(last, 12, recipe.warmup)
        rates = (record["lr"], record["head_lr"])
        assert rates == pytest.approx((0.4 / 32 * factor, 0.2 / 32 * factor))
        assert 30 / record["images_per_second"] <= record["seconds"] + 0.001
        assert record.keys() == {"epoch", "loss", "lr", "head_lr", "images_per_second", "seconds"}


class WeightRecorder(NullCheckpointer):
    """Copies the weights after every epoch."""

    def __init__(self) -> None:
        self.weights: list[dict[str, torch.Tensor]] = []

    def on_epoch_end(self, fitting: FittingState) -> None:
        learned = fitting.method.learned().items()
        self.weights.append({name: value.clone() for name, value in learned})


def _has_weights(method: Method, weights: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(value, weights[key]) for key, value in method.learned().items())


@pytest.mark.parametrize("patience", [1, 3])
@pytest.mark.parametrize("name", ["vpt-deep", "mlp-2", "bias"])
def test_stops_without_a_gain_and_restores_the_best_epoch(
    tiny: Backbone, shades: TaskData, name: str, patience: int
) -> None:
    method = _method(tiny, _recipe(method=name, patience=patience, epochs=40, lr=1.6, dropout=0.1))
    recorder, steps = WeightRecorder(), list[Step]()
    records = fit_to(method, watched(shades), _generator(), steps.append, recorder)
    scores = [record["validation_accuracy"] for record in records]
    best = scores.index(max(scores))
    assert len(scores) == len(recorder.weights) == best + 1 + patience < 40
    assert _has_weights(method, recorder.weights[best])
    assert not _has_weights(method, recorder.weights[-1])
    assert [step.validation for step in steps[::3]] == [None, *scores[:-1]]
    assert not method.training


def test_validation_measures_the_method_in_evaluation_mode(
    tiny: Backbone, shades: TaskData
) -> None:
    """With all activations dropped but one in a thousand, training mode would guess."""
    given = {"method": "mlp-2", "patience": 9, "epochs": 9, "lr": 0.5, "dropout": 0.0}
    records = fit_to(_method(tiny, _recipe(**given)), watched(shades), _generator())
    assert records[-1]["validation_accuracy"] > 0.9


def test_several_labels_are_watched_by_mean_average_precision(
    tiny: Backbone, shades: TaskData
) -> None:
    recipe = _recipe(method="linear", patience=2, epochs=20)
    records = fit_to(_method(tiny, recipe), several_labels(watched(shades)), _generator())
    assert records[-1]["validation_mean_average_precision"] > 0.6


def test_patience_needs_a_validation_part(tiny: Backbone, shades: TaskData) -> None:
    with pytest.raises(
        TrainingError,
        match=r"^patience: expected a validation part, found none for a patience of 5$",
    ):
        fit_to(_method(tiny, _recipe(patience=5)), shades, _generator())


def test_without_patience_all_epochs_are_trained_and_the_last_counts(
    tiny: Backbone, shades: TaskData
) -> None:
    method, recorder = _method(tiny, _recipe(epochs=9, lr=1.6)), WeightRecorder()
    assert len(fit_to(method, watched(shades), _generator(), checkpointer=recorder)) == 9
    assert _has_weights(method, recorder.weights[-1])
