"""Outcomes of an experiment's trainings, in the order in which they ended.

There are three kinds of lines. A trial has a score on the validation part, or why it failed. A
choice names the best trial of an entry, once all of them have ended, and is never made again. A
final training has the accuracy on the held-out part; it needs the choice, and its place is taken
once: the same entry and seed cannot be measured with other hyperparameters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from facet_vision.training.errors import TrainingError
from facet_vision.training.recipe import Recipe
from facet_vision.training.results import Results
from facet_vision.training.tuning.search import Trial, best, chosen_values

from .entry import Entry
from .hyperparameters import first_difference, hyperparameters

TRIAL, CHOICE, FINAL = "trial", "choice", "final"

Outcome = dict[str, Any]
"""Measures of a training as JSON values; `cells` lists them."""


@dataclass(frozen=True)
class Choice:
    """What the search of an entry ended with.

    Attributes:
        trial: number of the best one in the grid; None where there is no grid, or all failed.
        score: its first metric on the validation part, in [0, 1].
        failed: every trial failed, so there is nothing to train.
    """

    trial: int | None = None
    score: float | None = None
    failed: bool = False


@dataclass(frozen=True)
class Outcomes:
    """Outcomes of the finished trainings.

    Attributes:
        results: where they are stored; the only state.
    """

    results: Results

    @property
    def finished(self) -> int:
        """Number of final trainings that are finished."""
        return sum(FINAL in setting for setting in self.results.settings())

    def find(self, entry: Entry, recipe: Recipe) -> Outcome | None:
        """Return the outcome of a training that has ended, else None.

        Raises:
            TrainingError: the final training in its place had other hyperparameters.
        """
        found = self.results.find(_setting(entry, recipe))
        if found is not None and recipe.measure_on == "test":
            _check_same(entry, recipe, found["recipe"])
        return found

    def add(self, entry: Entry, recipe: Recipe, outcome: Outcome) -> None:
        """Record a training that ended."""
        if recipe.measure_on == "test":
            outcome = {"recipe": hyperparameters(recipe), **outcome}
        self.results.add(_setting(entry, recipe), outcome)

    def choice(self, entry: Entry) -> Choice | None:
        """Return what the entry's search ended with; None while it has not."""
        if entry.recipe.search is None:
            return Choice()
        found = self.results.find(_choice_of(entry))
        return None if found is None else Choice(found["trial"], found["score"], found["failed"])

    def choose(self, entry: Entry) -> Choice:
        """Record the choice of an entry whose trials have all ended, unless it is recorded."""
        recorded = self.choice(entry)
        if recorded is not None:
            return recorded
        ended = [(recipe, self.find(entry, recipe) or {}) for recipe in entry.trials()]
        trials = [Trial(recipe, found["score"]) for recipe, found in ended if "score" in found]
        if trials:
            chosen = best(trials)
            choice = Choice(entry.trials().index(chosen.recipe), chosen.score)
            values = chosen_values(entry.final(choice.trial, entry.seeds[0]))
        else:
            choice, values = Choice(failed=True), {}
        self.results.add(_choice_of(entry), {**vars(choice), "values": values})
        return choice


def _setting(entry: Entry, recipe: Recipe) -> dict[str, Any]:
    """Return what a training is found by: a trial by all that decides it, a final by its place."""
    if recipe.measure_on == "validation":
        return {TRIAL: {**entry.place, "recipe": hyperparameters(recipe)}}
    return {FINAL: {**entry.place, "seed": recipe.seed}}


def _choice_of(entry: Entry) -> dict[str, Any]:
    return {CHOICE: entry.place}


def _check_same(entry: Entry, recipe: Recipe, finished: dict[str, Any]) -> None:
    wanted = hyperparameters(recipe)
    name = first_difference(finished, wanted)
    if name is not None:
        raise TrainingError(
            f"{recipe.data} {entry.name} seed {recipe.seed}: expected {name} "
            f"{finished.get(name)}, with which its final training is finished, "
            f"found {wanted.get(name)}"
        )
