"""Optimizers of the paper's recipe: SGD with momentum or AdamW, rates for batches of 256."""

import math

import pytest
import torch
from torch import Tensor, nn

from facet_vision.backbone import Backbone
from facet_vision.training.data.datasets import TaskData
from facet_vision.training.data.images import InMemory
from facet_vision.training.fitting.loop import fit
from facet_vision.training.fitting.optimizer import make_optimizer
from facet_vision.training.methods import METHODS
from facet_vision.training.methods.method import Method
from facet_vision.training.recipe import Recipe, make_recipe

GIVEN = {"data": "x", "task": "x", "lr": 0.4, "tokens": 2, "batch_size": 8, "epochs": 3}


def _recipe(**given: object) -> Recipe:
    return make_recipe(GIVEN | given, {})


def _method(tiny: Backbone, recipe: Recipe, name: str = "vpt-deep") -> Method:
    return METHODS[name](tiny, 3, recipe, torch.Generator().manual_seed(0))


def test_the_papers_recipe_is_the_default() -> None:
    recipe = make_recipe({"data": "x", "task": "x", "lr": 0.5, "batch_size": 128}, {})
    assert (recipe.epochs, recipe.warmup, recipe.patience, recipe.search) == (100, 0.1, None, None)
    assert recipe.rates == (0.25, 0.25)


@pytest.mark.parametrize(
    ("optimizer", "kind"), [("adamw", torch.optim.AdamW), ("sgd", torch.optim.SGD)]
)
def test_head_has_its_own_rate_and_biases_do_not_decay(
    tiny: Backbone, optimizer: str, kind: type
) -> None:
    recipe = _recipe(head_lr=0.8, weight_decay=0.3, batch_size=64, optimizer=optimizer)
    method = _method(tiny, recipe)
    made = make_optimizer(method, recipe)
    assert isinstance(made, kind)
    found = {
        id(group["params"][0]): (group["lr"], group["weight_decay"]) for group in made.param_groups
    }
    assert found[id(method.head.weight)] == pytest.approx((0.2, 0.3))
    assert found[id(method.head.bias)] == pytest.approx((0.2, 0.0))
    assert len(found) == 4
    prompts = [pair for key, pair in found.items() if key not in map(id, method.head.parameters())]
    assert prompts == [pytest.approx((0.1, 0.3))] * 2


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("warmup", [0.1, 0.5])
def test_a_fitting_follows_the_textbook_formulas(
    tiny: Backbone, shades: TaskData, optimizer: str, warmup: float
) -> None:
    """Fit a linear head on given features and compare with a direct computation."""
    recipe = _recipe(
        optimizer=optimizer, warmup=warmup, batch_size=30, epochs=10, lr=2.0, weight_decay=0.05
    )
    method = _method(tiny, recipe, "linear")
    rows = torch.randn(30, tiny.feature_dim, generator=torch.Generator().manual_seed(1))
    targets = torch.tensor(shades.train.targets)
    weight, bias = (value.detach().double().requires_grad_() for value in method.head.parameters())
    update = {"sgd": _Momentum, "adamw": _AdamW}[optimizer]
    updates = update(weight, recipe.weight_decay), update(bias, 0.0)
    for epoch in range(10):  # one batch each
        loss = nn.functional.cross_entropy(rows.double() @ weight.T + bias, targets)
        gradients = torch.autograd.grad(loss, (weight, bias))
        for each, gradient in zip(updates, gradients, strict=True):
            each.step(gradient, 2.0 * 30 / 256 * _factor(epoch, 10, warmup))
    fit(method, InMemory(rows), targets, recipe, torch.Generator().manual_seed(0))
    for found, expected in ((method.head.weight, weight), (method.head.bias, bias)):
        torch.testing.assert_close(found.detach(), expected.detach().float(), atol=1e-4, rtol=1e-4)


def _factor(step: int, total: int, warmup: float) -> float:
    rising = int(total * warmup)
    if step < rising:
        return (step + 1) / (rising + 1)
    return math.cos(math.pi / 2 * (step - rising) / (total - rising)) ** 2


class _Momentum:
    """v <- 0.9 v + g + d w, w <- w - r v."""

    def __init__(self, value: Tensor, decay: float) -> None:
        self.value = value
        self.decay = decay
        self.velocity = torch.zeros_like(value)

    def step(self, gradient: Tensor, rate: float) -> None:
        self.velocity = 0.9 * self.velocity + gradient + self.decay * self.value.detach()
        self.value.data -= rate * self.velocity


class _AdamW:
    """Loshchilov and Hutter 2019 with their usual constants."""

    def __init__(self, value: Tensor, decay: float) -> None:
        self.value = value
        self.decay = decay
        self.count = 0
        self.mean = torch.zeros_like(value)
        self.square = torch.zeros_like(value)

    def step(self, gradient: Tensor, rate: float) -> None:
        self.count += 1
        self.mean = 0.9 * self.mean + 0.1 * gradient
        self.square = 0.999 * self.square + 0.001 * gradient**2
        mean, square = self.mean / (1 - 0.9**self.count), self.square / (1 - 0.999**self.count)
        self.value.data *= 1 - rate * self.decay
        self.value.data -= rate * mean / (square.sqrt() + 1e-8)
