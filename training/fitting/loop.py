"""Loop that fits a method's parameters to labelled inputs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.optim import Optimizer

from facet_vision.training.data.images import Inputs
from facet_vision.training.errors import TrainingError
from facet_vision.training.methods import Method
from facet_vision.training.objectives import loss_of
from facet_vision.training.recipe import Recipe
from facet_vision.training.seeding import seeded

from .state import FittingState
from .validation import Record, Validation


@dataclass(frozen=True)
class Step:
    """Report of the loop after each step.

    Attributes:
        number, epoch: counted from 0; a resumed fitting continues the count.
        images: in the batch.
        loss: mean over the batch.
        validation: the latest metric on the validation part, None where there is none.
    """

    number: int
    epoch: int
    images: int
    loss: float
    validation: float | None = None


def ignore(_step: Step) -> None:
    """Ignore a step."""


class Checkpointer(Protocol):
    """Saves the state of a fitting, so that it outlives the process; see `run_folder`."""

    def resume(self, fitting: FittingState) -> None:
        """Load the saved state, if there is one, into `fitting`; called before the first epoch."""
        ...

    def on_epoch_end(self, fitting: FittingState) -> None:
        """Record the finished epoch; called after every epoch."""
        ...


class NullCheckpointer:
    """Saves nothing."""

    def resume(self, fitting: FittingState) -> None: ...

    def on_epoch_end(self, fitting: FittingState) -> None: ...


def fit(
    method: Method,
    inputs: Inputs,
    targets: Tensor,
    recipe: Recipe,
    generator: torch.Generator,
    on_step: Callable[[Step], None] = ignore,
    *,
    validation: Validation | None = None,
    checkpointer: Checkpointer | None = None,
) -> list[Record]:
    """Minimise the loss of `method` on `inputs`, in place.

    Args:
        inputs: rows as `method.prepare` gives them.
        targets: (rows,) label indices, or (rows, labels) zeros and ones; see `objectives`.
        generator: orders the rows of every epoch.
        validation: measured after every epoch; the method ends with the weights of the best epoch.

    Returns:
        A record of every epoch, also of those before a kill.

    Raises:
        TrainingError: the loss is no longer finite, or `recipe.patience` has no validation part.
    """
    if recipe.patience is not None and validation is None:
        raise TrainingError(
            f"patience: expected a validation part, found none for a patience of {recipe.patience}"
        )
    checkpointer = checkpointer or NullCheckpointer()
    fitting = FittingState(method, recipe, generator, len(targets))
    with seeded(generator):  # for dropout and stochastic depth
        # inside the block: resuming also restores the global generators
        checkpointer.resume(fitting)
        while not fitting.finished:
            _epoch(fitting, inputs, targets, on_step, validation)
            checkpointer.on_epoch_end(fitting)
    fitting.end()
    method.eval()
    return fitting.records


def _epoch(
    fitting: FittingState,
    inputs: Inputs,
    targets: Tensor,
    on_step: Callable[[Step], None],
    validation: Validation | None,
) -> None:
    fitting.method.train()
    start = time.perf_counter()
    total = 0.0
    for step in _steps(fitting, inputs, targets):
        on_step(step)
        total += step.loss * step.images
    speed = len(inputs) / (time.perf_counter() - start)
    lr, head_lr = (rate * fitting.rate_factor(step.number) for rate in fitting.recipe.rates)
    record = {"epoch": fitting.epoch + 1, "loss": total / len(inputs), "lr": lr, "head_lr": head_lr}
    with fitting.averaged():
        if validation is not None:
            record |= validation.measure(fitting.method)
        record["images_per_second"] = round(speed, 1)  # of the training alone
        record["seconds"] = round(time.perf_counter() - start, 3)  # with the validation
        fitting.add(record)


def _steps(fitting: FittingState, inputs: Inputs, targets: Tensor) -> Iterator[Step]:
    """Descend once for every batch of an epoch, which visits all rows in a new order."""
    method, recipe, epoch = fitting.method, fitting.recipe, fitting.epoch
    order = torch.randperm(len(inputs), generator=fitting.generator).split(recipe.batch_size)
    batches = zip(order, inputs.of_epoch(epoch).batches(order), strict=True)
    for number, (rows, batch) in enumerate(batches, start=epoch * len(order)):
        loss = loss_of(method(batch), targets[rows].to(method.backbone.device))
        _descend(loss, fitting.optimizer)
        fitting.schedule.step()
        if fitting.average is not None:
            fitting.average.update()
        yield Step(number, epoch, len(rows), _finite(loss.item(), epoch, recipe), fitting.score)


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
