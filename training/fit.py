"""The loop that fits a method's parameters to labelled inputs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from .errors import TrainingError
from .images import Inputs
from .methods import Method
from .objectives import loss_of
from .recipe import Recipe
from .seeding import seeded

MOMENTUM = 0.9


@dataclass(frozen=True)
class Step:
    """What the loop reports after each step; `loss` is the mean over the batch."""

    number: int
    epoch: int
    images: int
    loss: float


def ignore(_step: Step) -> None:
    """Report a step to nobody."""


def fit(
    method: Method,
    inputs: Inputs,
    targets: Tensor,
    recipe: Recipe,
    generator: torch.Generator,
    on_step: Callable[[Step], None] = ignore,
) -> None:
    """Minimise the loss of `method` on `inputs`, in place.

    Args:
        inputs: rows as `method.prepare` gives them.
        targets: (rows,) label indices, or (rows, labels) zeros and ones; see `objectives`.
        generator: orders the rows of every epoch.

    Raises:
        TrainingError: the loss is no longer finite.
    """
    optimizer = make_optimizer(method, recipe)
    total = recipe.epochs * steps_per_epoch(len(targets), recipe)
    schedule = LambdaLR(optimizer, lambda step: rate_factor(step, total, recipe.warmup))
    method.train()
    with seeded(generator):  # for dropout and stochastic depth
        for number, (epoch, rows, batch) in enumerate(_batches(inputs, recipe, generator)):
            loss = loss_of(method(batch), targets[rows].to(method.backbone.device))
            _descend(loss, optimizer)
            schedule.step()
            on_step(Step(number, epoch, len(rows), _finite(loss.item(), epoch, recipe)))
    method.eval()


def steps_per_epoch(count: int, recipe: Recipe) -> int:
    return math.ceil(count / recipe.batch_size)


def rate_factor(step: int, total: int, warmup: float) -> float:
    """Share of the peak learning rate: a linear rise, never from zero, then half a cosine towards zero."""
    rising = round(total * warmup)
    if step < rising:
        return (step + 1) / (rising + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, total - rising)))


def make_optimizer(method: Method, recipe: Recipe) -> Optimizer:
    """AdamW or SGD with momentum over what is trained; the head has its own rate."""
    added_rate, head_rate = recipe.rates
    undecayed = method.undecayed()
    groups = [
        {
            "params": [parameter],
            "lr": head_rate if name.startswith("head.") else added_rate,
            "weight_decay": 0.0 if name in undecayed else recipe.weight_decay,
        }
        for name, parameter in method.trained().items()
    ]
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(groups, momentum=MOMENTUM)
    return torch.optim.AdamW(groups)


def _batches(inputs: Inputs, recipe: Recipe, generator: torch.Generator) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Epoch, row numbers and rows of every batch; each epoch has all rows in a new order."""
    for epoch in range(recipe.epochs):
        order = torch.randperm(len(inputs), generator=generator).split(recipe.batch_size)
        for rows, batch in zip(order, inputs.of_epoch(epoch).batches(order), strict=True):
            yield epoch, rows, batch


def _descend(loss: Tensor, optimizer: Optimizer) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def _finite(loss: float, epoch: int, recipe: Recipe) -> float:
    if not math.isfinite(loss):
        raise TrainingError(
            f"loss: expected a finite number, found {loss} in epoch {epoch + 1}; "
            f"try a lower learning rate than {recipe.lr:g}"
        )
    return loss
