"""State of a fitting: all that decides how it continues."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from facet_vision.training import seeding
from facet_vision.training.methods import Method
from facet_vision.training.recipe import Recipe

from .average import Average
from .optimizer import make_optimizer
from .schedule import rate_factor, steps_per_epoch
from .validation import Record, measured


@dataclass(frozen=True)
class Best:
    """The epoch with the best score on the validation part, the first of equals.

    Attributes:
        epoch: number of finished epochs, counted from 1.
        weights: what the method had learned then, on the CPU.
    """

    epoch: int
    score: float
    weights: dict[str, Tensor]


class FittingState:
    """A method, its optimizer, the generators that both draw from, and the finished epochs.

    Attributes:
        rate_factor: share of the peak learning rate in each step.
        records: one for each finished epoch.
        best: None where nothing is measured on a validation part.
    """

    def __init__(
        self, method: Method, recipe: Recipe, generator: torch.Generator, rows: int
    ) -> None:
        """Create the optimizer and its schedule.

        Args:
            generator: orders the rows.
            rows: number of rows in an epoch.
        """
        self.method = method
        self.recipe = recipe
        self.generator = generator
        steps = recipe.epochs * steps_per_epoch(rows, recipe)
        self.rate_factor = lambda step: rate_factor(step, steps, recipe.warmup)
        self.optimizer = make_optimizer(method, recipe)
        self.schedule = LambdaLR(self.optimizer, self.rate_factor)
        self.records: list[Record] = []
        self.best: Best | None = None
        self.average = Average(method, recipe.ema) if recipe.ema else None

    @property
    def epoch(self) -> int:
        """Number of finished epochs, which is the index of the next one, counted from 0."""
        return len(self.records)

    @property
    def score(self) -> float | None:
        """Latest metric on the validation part, None where there is none; more is better."""
        if not self.records:
            return None
        return next(iter(measured(self.records[-1]).values()), None)

    @property
    def finished(self) -> bool:
        return self.epoch >= self.recipe.epochs or self._stalled

    @property
    def _stalled(self) -> bool:
        patience, best = self.recipe.patience, self.best
        return patience is not None and best is not None and self.epoch - best.epoch >= patience

    def add(self, record: Record) -> None:
        """Count an epoch as finished; copy the weights if it is the best so far."""
        self.records.append(record)
        score = self.score
        if score is not None and (self.best is None or score > self.best.score):
            learned = self.method.learned().items()
            weights = {name: value.to("cpu", copy=True) for name, value in learned}
            self.best = Best(self.epoch, score, weights)

    def averaged(self) -> AbstractContextManager[None]:
        """Let the method have the averages while the block runs, where there are any."""
        return nullcontext() if self.average is None else self.average.applied()

    def end(self) -> None:
        """Give the method the weights of the best epoch, else the averages, where there are any."""
        if self.best is not None:
            self.method.load_state_dict(self.best.weights, strict=False)
        elif self.average is not None:
            self.average.apply()

    def state(self) -> dict[str, Any]:
        """Return the state as plain values and the tensors themselves, without frozen weights."""
        return {
            "records": self.records,
            "method": self.method.learned(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "order": self.generator.get_state(),
            "random": seeding.global_state(),
            "best": None if self.best is None else vars(self.best),
            "average": None if self.average is None else self.average.state(),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Continue from what `state()` returned, in this process or an earlier one."""
        self.records = list(state["records"])
        self.method.load_state_dict(state["method"], strict=False)
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.generator.set_state(state["order"])
        seeding.set_global_state(state["random"])
        self.best = None if state["best"] is None else Best(**state["best"])
        if self.average is not None:
            self.average.load(state["average"])
