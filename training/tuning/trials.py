"""Trials of a search, as `facet train --search` runs them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from facet_vision.backbone import Backbone
from facet_vision.training.data.datasets import TaskData
from facet_vision.training.data.images import prepare
from facet_vision.training.errors import TrainingError
from facet_vision.training.identity import digest
from facet_vision.training.methods import Method, find
from facet_vision.training.metrics import measure, predict_live
from facet_vision.training.recipe import Recipe
from facet_vision.training.results import Results
from facet_vision.training.train import fitted

from .search import Trial, best, candidates, chosen_values, final

Say = Callable[[str], None]


class TrialResults:
    """Scores of finished trials, found again by all that decides them.

    They live in a file that outlives the process; without one every trial is run.
    """

    def __init__(self, backbone: Backbone, data: TaskData, results: Results | None = None) -> None:
        self.backbone = backbone
        self.data = data
        self._results = results

    def find(self, recipe: Recipe) -> float | None:
        """Return the score of a finished trial, else None."""
        if self._results is None:
            return None
        outcome = self._results.find(self._key(recipe))
        return None if outcome is None else outcome["score"]

    def add(self, recipe: Recipe, score: float) -> None:
        """Record the score of a trial."""
        if self._results is not None:
            self._results.add(self._key(recipe), {"score": score})

    def _key(self, recipe: Recipe) -> dict[str, Any]:
        chosen = recipe.hyperparameters(find(recipe.method).reads())
        return {"fingerprint": self.backbone.fingerprint, "data": self._digest, "recipe": chosen}

    @cached_property
    def _digest(self) -> str:
        return digest(self.data)


def choose(recipe: Recipe, results: TrialResults, say: Say) -> Recipe:
    """Return the recipe with the values of its grid that scored best on the validation part.

    Args:
        results: backbone and data of the trials, whose test part is sealed, and the scores of
            finished trials.
        say: called with a line for every trial.

    Raises:
        TrainingError: the grid is not valid, or every trial failed.
    """
    trials = []
    tried = candidates(recipe)
    for number, candidate in enumerate(tried, start=1):
        values = " ".join(f"{name}={value:g}" for name, value in _varied(recipe, candidate).items())
        score, line = run_trial(candidate, results)
        say(f"trial {number}/{len(tried)}: {values}: {line}")
        if score is not None:
            trials.append(Trial(candidate, score))
    if not trials:
        raise TrainingError(
            f"search: expected a trial that succeeds, found that all {len(tried)} failed"
        )
    return final(recipe, best(trials).recipe)


def score_of(method: Method, data: TaskData) -> float:
    """Return the first metric on the data's measured part, in [0, 1]."""
    logits = predict_live(method, prepare(data.measured, method.backbone.preprocess))
    return next(iter(measure(logits, data.targets(data.measured)).values()))


def run_trial(candidate: Recipe, results: TrialResults) -> tuple[float | None, str]:
    """Return the score of a trial and a line about it.

    The score is None where the trial failed, as it does when a rate is too high.
    """
    score = results.find(candidate)
    if score is not None:
        return score, f"{score:.3f} on the validation part (finished before)"
    try:
        score = score_of(fitted(results.backbone, results.data, candidate), results.data)
    except TrainingError as error:
        return None, f"failed: {error}"
    results.add(candidate, score)
    return score, f"{score:.3f} on the validation part"


def _varied(recipe: Recipe, candidate: Recipe) -> dict[str, float]:
    return chosen_values(candidate.model_copy(update={"search": recipe.search}))
