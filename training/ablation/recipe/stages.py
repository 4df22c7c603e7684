"""Steps of a recipe that are compared, fixed in the repository before the first training.

Each stage changes the recipe that the stages before it left. The first alternative of a stage
changes nothing; another one is kept if its mean over all tasks and seeds is the best and above that
of the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from facet_vision.training.methods import find
from facet_vision.training.recipe import Recipe, make_recipe


@dataclass(frozen=True)
class Alternative:
    """One way of a stage.

    Attributes:
        name: for the table.
        changes: fields of the recipe.
        factors: of learning rates, by field.
    """

    name: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    factors: Mapping[str, float] = field(default_factory=dict)

    @property
    def fields(self) -> set[str]:
        """The fields that it changes."""
        return {*self.changes, *self.factors}

    def applied(self, recipe: Recipe) -> Recipe:
        """Return a recipe with the changes."""
        rates = {
            "lr": recipe.lr,
            "head_lr": recipe.lr if recipe.head_lr is None else recipe.head_lr,
        }
        scaled = {name: float(f"{rates[name] * by:.6g}") for name, by in self.factors.items()}
        if "lr" in scaled and "head_lr" not in scaled:
            scaled["head_lr"] = rates["head_lr"]  # else it would follow
        return make_recipe(dict(recipe) | dict(self.changes) | scaled, {})


@dataclass(frozen=True)
class Stage:
    """Alternatives that are compared with each other."""

    name: str
    alternatives: tuple[Alternative, ...]

    def is_read_by(self, method: str) -> bool:
        """Whether a method reads what the stage changes."""
        changed = set[str]().union(*(each.fields for each in self.alternatives))
        return not changed & (_METHOD_FIELDS - find(method).uses)


AS_BEFORE = "as before"

_METHOD_FIELDS = frozenset(
    {"head_init", "standardise", "prompt_init", "prompt_dropout", "drop_path"}
)


def _stage(name: str, **alternatives: dict[str, Any]) -> Stage:
    named = [Alternative(key.replace("_", " "), changes) for key, changes in alternatives.items()]
    return Stage(name, (Alternative(AS_BEFORE), *named))


STAGES = (
    _stage(
        "start of the head",
        zero={"head_init": "zero"},
        small={"head_init": "small"},
        probe={"head_init": "probe"},
        standardised_and_zero={"standardise": True, "head_init": "zero"},
        standardised_and_small={"standardise": True, "head_init": "small"},
        standardised_and_probe={"standardise": True, "head_init": "probe"},
    ),
    Stage(
        "learning rates",
        (
            Alternative(AS_BEFORE),
            Alternative("0.3 of both", factors={"lr": 0.3, "head_lr": 0.3}),
            Alternative("0.3 of what is added", factors={"lr": 0.3}),
            Alternative("0.3 of the head's", factors={"head_lr": 0.3}),
            Alternative("3 of what is added", factors={"lr": 3.0}),
            Alternative("3 of the head's", factors={"head_lr": 3.0}),
        ),
    ),
    Stage(
        "weight decay of the head",
        (
            Alternative(AS_BEFORE),
            Alternative("0", {"head_weight_decay": 0.0}),
            Alternative("1", {"head_weight_decay": 1.0}),
        ),
    ),
    Stage(
        "average of the weights",
        (
            Alternative(AS_BEFORE),
            Alternative("decay 0.95", {"ema": 0.95}),
            Alternative("decay 0.99", {"ema": 0.99}),
        ),
    ),
    _stage(
        "start of the prompts",
        patches={"prompt_init": "patches"},
        vipamin={"prompt_init": "vipamin"},
        whitened={"prompt_init": "whitened"},
    ),
    Stage(
        "dropout of prompts", (Alternative(AS_BEFORE), Alternative("0.1", {"prompt_dropout": 0.1}))
    ),
    Stage("stochastic depth", (Alternative(AS_BEFORE), Alternative("0.1", {"drop_path": 0.1}))),
    Stage(
        "passes",
        (
            Alternative(AS_BEFORE),
            Alternative("100, batches of 64", {"epochs": 100, "batch_size": 64}),
        ),
    ),
)
