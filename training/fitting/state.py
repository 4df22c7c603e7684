"""How far a fitting has come: all that decides how it goes on, so that it can be left and taken up again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from facet_vision.training import seeding
from facet_vision.training.methods import Method
from facet_vision.training.recipe import Recipe

from .optimizer import make_optimizer, rate_factor, steps_per_epoch
from .validation import Record, measured


@dataclass(frozen=True)
class Best:
    """The epoch after which the validation part was predicted best, the first of equals, and its weights."""

    epoch: int
    score: float
    weights: dict[str, Tensor]


class Fitting:
    """A method, its optimizer, the generators that both draw from, and the epochs that lie behind them.

    Attributes:
        rate_factor: share of the peak learning rate in each step.
        records: one for each finished epoch.
        best: None where nothing is measured on a validation part.
    """

    def __init__(
        self, method: Method, recipe: Recipe, generator: torch.Generator, rows: int
    ) -> None:
        """Args:
        generator: orders the rows.
        rows: how many an epoch has.
        """
        self.method, self.recipe, self.generator = method, recipe, generator
        steps = recipe.epochs * steps_per_epoch(rows, recipe)
        self.rate_factor = lambda step: rate_factor(step, steps, recipe.warmup)
        self.optimizer = make_optimizer(method, recipe)
        self.schedule = LambdaLR(self.optimizer, self.rate_factor)
        self.records: list[Record] = []
        self.best: Best | None = None

    @property
    def epoch(self) -> int:
        """How many are finished, which is the number of the next one, counted from 0."""
        return len(self.records)

    @property
    def score(self) -> float | None:
        """What was last measured on the validation part, if anything was; more is better."""
        return next(iter(measured(self.records[-1]).values()), None) if self.records else None

    @property
    def finished(self) -> bool:
        return self.epoch >= self.recipe.epochs or self._stalled

    @property
    def _stalled(self) -> bool:
        patience, best = self.recipe.patience, self.best
        return patience is not None and best is not None and self.epoch - best.epoch >= patience

    def add(self, record: Record) -> None:
        """An epoch is finished."""
        self.records.append(record)
        score = self.score
        if score is not None and (self.best is None or score > self.best.score):
            weights = {
                name: value.to("cpu", copy=True) for name, value in self.method.learned().items()
            }
            self.best = Best(self.epoch, score, weights)

    def conclude(self) -> None:
        """Give the method the weights of the best epoch, where that is known."""
        if self.best is not None:
            self.method.load_state_dict(self.best.weights, strict=False)

    def state(self) -> dict[str, Any]:
        """All of it as plain values and the tensors themselves; the frozen weights are left out."""
        return {
            "records": self.records,
            "method": self.method.learned(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "order": self.generator.get_state(),
            "random": seeding.global_state(),
            "best": None if self.best is None else vars(self.best),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Be where the fitting was that gave `state`."""
        self.records = list(state["records"])
        self.method.load_state_dict(state["method"], strict=False)
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.generator.set_state(state["order"])
        seeding.set_global_state(state["random"])
        self.best = None if state["best"] is None else Best(**state["best"])
