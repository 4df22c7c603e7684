"""Order of the trainings, so that an experiment that is stopped early is balanced.

The first seed comes first: entry by entry, each with its trials and then its final training. The
other seeds' final trainings follow, seed by seed and in the same order. A search whose choice is
recorded is over.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass

from facet_vision.training.errors import TrainingError
from facet_vision.training.recipe import Recipe

from .entry import Entry
from .outcomes import Outcome, Outcomes
from .workers import Run, first_finished

Say = Callable[[str], None]
"""Receives one line about each training."""


@dataclass
class _Progress:
    """An entry, and how many of its trials have not ended yet."""

    entry: Entry
    open_trials: int


@dataclass(frozen=True)
class _Job:
    """A trial, or the final training of a seed."""

    progress: _Progress
    trial: Recipe | None
    seed: int


class Schedule:
    """All trainings of some entries, `total` in number.

    A final training waits until the choice of its entry is recorded. A training that fails, as one
    with too high a rate does, is left out.

    One thread drives it: futures are settled where they are waited for, so no field needs a lock.
    """

    def __init__(
        self, entries: list[Entry], outcomes: Outcomes, say: Say, said: Iterable[str] = ()
    ) -> None:
        """Queue the trainings.

        Args:
            say: also receives what the final trainings remark about their data.
            said: remarks that are not repeated.
        """
        self.outcomes = outcomes
        self.say = say
        self.ended = 0
        self._said = set(said)
        self._waiting: deque[_Job] = deque()
        self._running: dict[Future[Outcome], tuple[_Progress, Recipe]] = {}
        later: list[list[_Job]] = []  # of each entry
        for entry in entries:
            choice = outcomes.choice(entry)
            if choice is not None and choice.failed:
                continue
            trials = [] if choice is not None else entry.trials()
            progress = _Progress(entry, len(trials))
            first, *others = (_Job(progress, None, seed) for seed in entry.seeds)
            self._waiting.extend(_Job(progress, trial, first.seed) for trial in trials)
            self._waiting.append(first)
            later.append(others)
        # all entries have the same seeds: those of one are a column
        self._waiting.extend(job for jobs in zip(*later, strict=True) for job in jobs)
        self.total = len(self._waiting)

    def drive(self, run: Run, jobs: int) -> None:
        """Run everything that is not finished, at most `jobs` at a time."""
        while self._waiting or self._running:
            while len(self._running) < jobs and (ready := self._next()):
                self._begin(run, *ready)
            # Nothing runs where the last ones were all finished before.
            if self._running:
                for future in first_finished(set(self._running)):
                    self._end(future)

    def _next(self) -> tuple[_Progress, Recipe] | None:
        """Take the first job that need not wait for the end of a search."""
        for place, job in enumerate(self._waiting):
            recipe = job.trial or self._final(job)
            if recipe is not None:
                del self._waiting[place]
                return job.progress, recipe
        return None

    def _final(self, job: _Job) -> Recipe | None:
        """Return a final training; None where its entry's choice is not recorded yet."""
        if job.progress.open_trials:
            return None
        entry = job.progress.entry
        choice = self.outcomes.choice(entry)
        assert choice is not None  # recorded with the last trial
        return entry.final(choice.trial, job.seed)

    def _begin(self, run: Run, progress: _Progress, recipe: Recipe) -> None:
        entry = progress.entry
        outcome = self.outcomes.find(entry, recipe)
        if outcome is None:
            self._running[run(recipe, entry.variant)] = progress, recipe
        else:
            self._settle(progress, recipe, f"{_result(outcome)} (finished before)")

    def _end(self, future: Future[Outcome]) -> None:
        progress, recipe = self._running.pop(future)
        try:
            outcome = future.result()
        except TrainingError as error:
            outcome = {"failed": str(error)}
        for remark in outcome.pop("remarks", []):
            self._remark(f"{recipe.data}: {remark}")
        if "failed" not in outcome:
            self.outcomes.add(progress.entry, recipe, outcome)
            self._settle(progress, recipe, f"{_result(outcome)} ({outcome['seconds']:.0f} s)")
            return
        # A trial that fails would fail again, and could change the choice if it did not; a final
        # training is tried again by the next run.
        if recipe.measure_on == "validation":
            self.outcomes.add(progress.entry, recipe, outcome)
        self._settle(progress, recipe, _result(outcome))

    def _remark(self, sentence: str) -> None:
        if sentence not in self._said:
            self._said.add(sentence)
            self.say(sentence)

    def _settle(self, progress: _Progress, recipe: Recipe, what: str) -> None:
        """Report a training that ended; record the choice after an entry's last trial."""
        self.ended += 1
        self.say(f"[{self.ended}/{self.total}] {_name(progress.entry, recipe)}: {what}")
        if recipe.measure_on != "validation":
            return
        progress.open_trials -= 1
        if not progress.open_trials and self.outcomes.choose(progress.entry).failed:
            self._give_up(progress)

    def _give_up(self, progress: _Progress) -> None:
        """Leave out the final trainings of an entry whose trials all failed."""
        before = len(self._waiting)
        self._waiting = deque(job for job in self._waiting if job.progress is not progress)
        self.total -= before - len(self._waiting)


def _result(outcome: Outcome) -> str:
    return f"failed: {outcome['failed']}" if "failed" in outcome else f"{outcome['score']:.3f}"


def _name(entry: Entry, recipe: Recipe) -> str:
    if recipe.measure_on != "validation":
        return f"{recipe.data} {entry.name} seed {recipe.seed}"
    return f"{recipe.data} {entry.name} lr {recipe.lr:g} weight decay {recipe.weight_decay:g}"
