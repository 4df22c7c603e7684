"""Which training comes next: the trials of every method and task, then its final ones; what is finished is kept."""

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


@dataclass(frozen=True)
class Finished:
    """The outcomes that are there, by recipe.

    Attributes:
        about: what each source holds.
    """

    results: Results
    about: dict[str, str]
    backbone: Backbone

    def find(self, recipe: Recipe) -> Outcome | None:
        return self.results.find(self._key(recipe))

    def add(self, recipe: Recipe, outcome: Outcome) -> None:
        self.results.add(self._key(recipe), outcome)

    def trials(self, entry: Entry) -> list[Trial]:
        """Of those that are finished, in the order of the grid."""
        found = [(recipe, self.find(recipe)) for recipe in entry.trials()]
        return [Trial(recipe, outcome["score"]) for recipe, outcome in found if outcome is not None]

    def finals(self, entry: Entry) -> tuple[list[Recipe], float | None]:
        """The final trainings by what the trials found, and the best score of these; none where every trial failed."""
        trials = self.trials(entry)
        if entry.trials() and not trials:
            return [], None
        return entry.finals(trials), best(trials).score if trials else None

    def _key(self, recipe: Recipe) -> dict[str, Any]:
        return setting(recipe, self.about[recipe.data], self.backbone)


@dataclass
class _Progress:
    entry: Entry
    open_trials: int


class Schedule:
    """All trainings of some entries, `total` in number.

    Trials come first, in the order of the entries; an entry's final trainings as soon as its last trial has ended. A
    training that fails, as one with too high a rate does, is left out.
    """

    def __init__(self, entries: list[Entry], finished: Finished, say: Say) -> None:
        self.finished, self.say, self.ended = finished, say, 0
        self._waiting: deque[tuple[_Progress, Recipe]] = deque()
        self._running: dict[Future[Outcome], tuple[_Progress, Recipe]] = {}
        self.total = sum(len(entry.trials()) + len(entry.seeds) for entry in entries)
        for entry in entries:
            trials = entry.trials()
            progress = _Progress(entry, len(trials))
            self._waiting.extend(
                (progress, recipe) for recipe in trials or finished.finals(entry)[0]
            )

    def drive(self, run: Run, jobs: int) -> None:
        """Run everything that is not finished, at most `jobs` at a time."""
        while self._waiting or self._running:
            while self._waiting and len(self._running) < jobs:
                self._begin(run, *self._waiting.popleft())
            if self._running:
                for future in first_finished(set(self._running)):
                    self._end(future)

    def _begin(self, run: Run, progress: _Progress, recipe: Recipe) -> None:
        outcome = self.finished.find(recipe)
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
        self.finished.add(recipe, outcome)
        self._settle(progress, recipe, f"{outcome['score']:.3f} ({outcome['seconds']:.0f} s)")

    def _settle(self, progress: _Progress, recipe: Recipe, what: str) -> None:
        self.ended += 1
        self.say(f"[{self.ended}/{self.total}] {_name(recipe)}: {what}")
        if recipe.measure_on != "validation":
            return
        progress.open_trials -= 1
        if not progress.open_trials:
            finals, _ = self.finished.finals(progress.entry)
            self._waiting.extendleft((progress, recipe) for recipe in reversed(finals))


def _name(recipe: Recipe) -> str:
    if recipe.measure_on != "validation":
        return f"{recipe.data} {recipe.method} seed {recipe.seed}"
    return f"{recipe.data} {recipe.method} lr {recipe.lr:g} weight decay {recipe.weight_decay:g}"
