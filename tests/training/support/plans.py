"""Plans of comparisons, and trainings that only look like some."""

from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from facet_vision.training.comparison.plan import Plan
from facet_vision.training.errors import TrainingError
from facet_vision.training.experiments.outcomes import Outcome, Outcomes
from facet_vision.training.experiments.schedule import Schedule
from facet_vision.training.overrides import RecipeOverrides
from facet_vision.training.recipe import Recipe
from facet_vision.training.results import Results
from facet_vision.training.variants.variant import Variant


def plan_of(folder: Path, text: str = "", /, **flags: Any) -> Plan:
    """Return a plan of two tasks, two methods and two seeds with this recipe file."""
    file = folder / "recipe.toml"
    file.write_text(text)
    overrides = RecipeOverrides(file, flags)
    return Plan({"one": ("a",), "two": ("b",)}, ("linear", "vpt-deep"), (3, 4), overrides)


def grown(plan: Plan, **changes: Any) -> Plan:
    return replace(plan, **changes)


@dataclass
class Trainer:
    """Trains at once: the score of a recipe is its weight decay, and rate 9 fails.

    Attributes:
        stop: the number of the training before which the process is killed.
    """

    stop: int | None = None
    ran: list[Recipe] = field(default_factory=list)

    def __call__(self, recipe: Recipe, variant: Variant | None) -> "Future[Outcome]":
        del variant
        if len(self.ran) == self.stop:
            raise KeyboardInterrupt
        self.ran.append(recipe)
        future: Future[Outcome] = Future()
        if recipe.lr == 9:
            future.set_exception(TrainingError("loss: expected a finite number"))
        else:
            future.set_result({"score": recipe.weight_decay, "seconds": 1.0})
        return future


def outcomes_in(folder: Path) -> Outcomes:
    return Outcomes(Results(folder / "cells.jsonl"))


def drive(
    plan: Plan, folder: Path, trainer: Trainer | None = None, jobs: int = 1
) -> tuple[Trainer, Outcomes, list[str]]:
    """Run a plan; returns the trainer, the outcomes and the lines that were said."""
    trainer, lines, outcomes = trainer or Trainer(), list[str](), outcomes_in(folder)
    Schedule(list(plan.entries()), outcomes, lines.append).drive(trainer, jobs)
    return trainer, outcomes, lines
