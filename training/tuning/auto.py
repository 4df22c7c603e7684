"""Choice of the method on the validation part, as `facet train --method auto` makes it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from facet_vision.training.errors import TrainingError
from facet_vision.training.recipe import METHOD_FIELDS, Recipe, read_recipe

from .trials import Say, TrialResults, run_trial

AUTO = "auto"
CANDIDATES = ("linear", "vpt-deep", "lora", "adaptformer", "bias", "ssf", "vpt-deep+lora")
"""Methods in the order in which they are tried: all that a server can serve, of each kind one."""

DEFAULT_BUDGET = 300.0
"""Seconds for all trials and the final training."""


OnTrial = Callable[[str, int, int, float | None], None]
"""Takes a method, how many of how many trials are done, and its score once it has one."""


def untold(_method: str, _done: int, _total: int, _score: float | None) -> None:
    """Tell nobody of a trial."""


def is_auto(file: Path | None, given: Mapping[str, Any]) -> bool:
    """Whether the method is left to be chosen, by a flag or else by a recipe file."""
    values = ({} if file is None else read_recipe(file)) | dict(given)
    return values.get("method") == AUTO


def recipes_of(
    new_recipe: Callable[..., Recipe], file: Path | None, given: Mapping[str, Any]
) -> list[Recipe]:
    """Return a recipe of each candidate with the given values.

    Args:
        new_recipe: completes a recipe; see `training.new_recipe`.

    Raises:
        TrainingError: a value belongs to one method alone, or is not allowed.
    """
    values = ({} if file is None else read_recipe(file)) | dict(given)
    for name in sorted(METHOD_FIELDS & values.keys()):
        raise TrainingError(f"{name}: expected no value for method auto, found {values[name]!r}")
    if values.get("search") is not None:
        raise TrainingError(f"search: expected no grid for method auto, found {values['search']!r}")
    return [new_recipe(None, **values | {"method": name}) for name in CANDIDATES]


def choose_method(
    recipes: Sequence[Recipe],
    results: TrialResults,
    say: Say,
    budget: float = DEFAULT_BUDGET,
    clock: Callable[[], float] = time.monotonic,
    on_trial: OnTrial = untold,
) -> Recipe:
    """Return the recipe that scores best on the validation part; of equals the one tried first.

    The first two are always tried. A further one is tried if as long a trial as the longest so far,
    and then as long a final training, would still end within the budget.

    Args:
        results: backbone and data of the trials, whose test part is the validation part, and the
            scores of finished trials.
        budget: seconds for trials and the final training.
        on_trial: called before each trial and after it.

    Raises:
        TrainingError: every trial failed.
    """
    begun = clock()
    longest = 0.0
    scores: dict[str, tuple[float, Recipe]] = {}
    for number, recipe in enumerate(recipes):
        start = clock()
        if number >= 2 and start - begun + 2 * longest > budget:
            left = ", ".join(each.method for each in recipes[number:])
            say(f"the budget of {budget:g} seconds leaves no time to try {left}")
            break
        trial = recipe.model_copy(update={"measure_on": "validation"})
        on_trial(recipe.method, number, len(recipes), None)
        score, line = run_trial(trial, results)
        say(f"{recipe.method}: {line}")
        on_trial(recipe.method, number + 1, len(recipes), score)
        longest = max(longest, clock() - start)
        if score is not None:
            scores[recipe.method] = score, recipe
    if not scores:
        raise TrainingError("method auto: expected a trial that succeeds, found that all failed")
    chosen = max(scores, key=lambda method: scores[method][0])  # the first of equals
    say(f"chosen: {chosen}")
    return scores[chosen][1]
