import pytest
import torch

from backbone import Backbone
from training.datasets import TaskData
from training.errors import TrainingError
from training.fit import Step, fit
from training.images import prepare
from training.methods import METHODS
from training.methods.method import Method
from training.optimizer import make_optimizer, rate_factor, steps_per_epoch
from training.recipe import Recipe, make_recipe


def _recipe(**given: object) -> Recipe:
    return make_recipe({"data": "x", "task": "x", "lr": 0.4, "tokens": 2, "batch_size": 8, "epochs": 3} | given, {})


def _method(tiny: Backbone, recipe: Recipe, name: str = "vpt-deep") -> Method:
    return METHODS[name](tiny, 3, recipe, torch.Generator().manual_seed(0))


def test_rate_rises_from_above_zero_then_falls_like_a_cosine() -> None:
    factors = [rate_factor(step, 100, 0.1) for step in range(100)]
    assert factors[0] > 0
    assert factors[:11] == sorted(factors[:11])
    assert max(factors) == factors[10] == 1
    assert factors[10:] == sorted(factors[10:], reverse=True)
    assert factors[55] == pytest.approx(0.5)
    assert 0 < factors[-1] < 0.001


def test_short_runs_have_a_rate_too() -> None:
    assert rate_factor(0, 1, 0.1) == 1
    assert rate_factor(0, 2, 0.9) > 0


def test_every_row_is_seen_once_in_every_epoch(tiny: Backbone, shades: TaskData) -> None:
    recipe, steps = _recipe(), list[Step]()
    method = _method(tiny, recipe)
    images = prepare(shades.train, tiny.preprocess)
    fit(method, images, torch.tensor(shades.train.targets), recipe, torch.Generator().manual_seed(0), steps.append)
    assert len(steps) == 3 * steps_per_epoch(30, recipe) == 12
    assert [step.images for step in steps[:4]] == [8, 8, 8, 6]
    assert [step.epoch for step in steps[::4]] == [0, 1, 2]
    assert not method.training


@pytest.mark.parametrize(("optimizer", "kind"), [("adamw", torch.optim.AdamW), ("sgd", torch.optim.SGD)])
def test_head_has_its_own_rate_and_biases_do_not_decay(tiny: Backbone, optimizer: str, kind: type) -> None:
    recipe = _recipe(head_lr=0.8, weight_decay=0.3, batch_size=64, optimizer=optimizer)
    method = _method(tiny, recipe)
    made = make_optimizer(method, recipe)
    assert isinstance(made, kind)
    found = {id(group["params"][0]): (group["lr"], group["weight_decay"]) for group in made.param_groups}
    assert found[id(method.head.weight)] == pytest.approx((0.2, 0.3))
    assert found[id(method.head.bias)] == pytest.approx((0.2, 0.0))
    assert len(found) == 4
    prompts = [pair for key, pair in found.items() if key not in map(id, method.head.parameters())]
    assert prompts == [pytest.approx((0.1, 0.3))] * 2


def test_a_loss_that_explodes_ends_the_run(tiny: Backbone, shades: TaskData) -> None:
    recipe = _recipe(lr=1e38, optimizer="sgd", warmup=0)
    method = _method(tiny, recipe)
    images = prepare(shades.train, tiny.preprocess)
    with pytest.raises(TrainingError, match=r"^loss: expected a finite number, found (nan|inf) in epoch 1; "):
        fit(method, images, torch.tensor(shades.train.targets), recipe, torch.Generator().manual_seed(0))
