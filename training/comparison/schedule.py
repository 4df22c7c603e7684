"""Order of the trainings: the trials of every method and task, then its final ones."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from facet_vision.backbone import Backbone
from facet_vision.training.errors import TrainingError
from facet_vision.training.recipe import Recipe
from facet_vision.training.results import Results
from facet_vision.training.tuning.search import Trial, best

from .cells import Outcome, setting
from .plan import Entry
from .workers import Run, first_finished

Say = Callable[[str], None]
"""Receives one line about each training."""


@dataclass(frozen=True)
class Outcomes:
    """Outcomes of the finished trainings, by recipe.

    Attributes:
        results: where they are stored; the only state.
        about: what each source contains.
    """

    results: Results
    about: dict[str, str]
    backbone: Backbone

    def find(self, recipe: Recipe) -> Outcome | None:
        return self.results.find(self._key(recipe))

    def add(self, recipe: Recipe, outcome: Outcome) -> None:
        self.results.add(self._key(recipe), outcome)

    def trials(self, entry: Entry) -> list[Trial]:
        """Return the finished trials, in the order of the grid."""
        trials = []
        for recipe in entry.trials():
            outcome = self.find(recipe)
            if outcome is not None:
                trials.append(Trial(recipe, outcome["score"]))
        return trials

    def finals(self, entry: Entry) -> tuple[list[Recipe], float | None]:
        """Return the final trainings with the best trial's values, and that trial's score.

        There are none where every trial failed.
        """
        trials = self.trials(entry)
        if entry.trials() and not trials:
            return [], None
        return entry.finals(trials), best(trials).score if trials else None

    def _key(self, recipe: Recipe) -> dict[str, Any]:
        return setting(recipe, self.about[recipe.data], self.backbone)


@dataclass
class _Progress:
    """How many trials of an entry have not ended yet."""

    entry: Entry
    open_trials: int


class Schedule:
    """All trainings of some entries, `total` in number.

    Trials are first, in the order of the entries; an entry's final trainings start as soon as its
    last trial has ended. A training that fails, as one with too high a rate does, is left out.

    One thread drives it: futures are settled where they are waited for, so no field needs a lock.
    """

    def __init__(self, entries: list[Entry], outcomes: Outcomes, say: Say) -> None:
        self.outcomes = outcomes
        self.say = say
        self.total = sum(len(entry.trials()) + len(entry.seeds) for entry in entries)
        self.ended = 0
        self._waiting: deque[tuple[_Progress, Recipe]] = deque()
        self._running: dict[Future[Outcome], tuple[_Progress, Recipe]] = {}
        for entry in entries:
            trials = entry.trials()
            progress = _Progress(entry, len(trials))
            # Without a search the final trainings are known already.
            recipes = trials or outcomes.finals(entry)[0]
            self._waiting.extend((progress, recipe) for recipe in recipes)

    def drive(self, run: Run, jobs: int) -> None:
        """Run everything that is not finished, at most `jobs` at a time."""
        while self._waiting or self._running:
            while self._waiting and len(self._running) < jobs:
                self._begin(run, *self._waiting.popleft())
            # Nothing runs where the last ones were all finished before.
            if self._running:
                for future in first_finished(set(self._running)):
                    self._end(future)

    def _begin(self, run: Run, progress: _Progress, recipe: Recipe) -> None:
        outcome = self.outcomes.find(recipe)
        if outcome is None:
            self._running[run(recipe)] = progress, recipe
        else:
            self._settle(progress, recipe, f"{outcome['score']:.3f} (finished before)")

    def _end(self, future: Future[Outcome]) -> None:
        progress, recipe = self._running.pop(future)
        try:
            outcome = future.result()
        except TrainingError as error:
            self._settle(progress, recipe, f"failed: {error}")
            return
        self.outcomes.add(recipe, outcome)
        self._settle(progress, recipe, f"{outcome['score']:.3f} ({outcome['seconds']:.0f} s)")

    def _settle(self, progress: _Progress, recipe: Recipe, what: str) -> None:
        """Report a training that ended; queue the final trainings after an entry's last trial."""
        self.ended += 1
        self.say(f"[{self.ended}/{self.total}] {_name(recipe)}: {what}")
        if recipe.measure_on != "validation":
            return
        progress.open_trials -= 1
        if progress.open_trials:
            return
        finals, _ = self.outcomes.finals(progress.entry)
        # In front of the trials of later entries; extendleft reverses the order.
        self._waiting.extendleft((progress, recipe) for recipe in reversed(finals))


def _name(recipe: Recipe) -> str:
    if recipe.measure_on != "validation":
        return f"{recipe.data} {recipe.method} seed {recipe.seed}"
    return f"{recipe.data} {recipe.method} lr {recipe.lr:g} weight decay {recipe.weight_decay:g}"
