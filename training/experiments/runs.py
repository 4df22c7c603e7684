"""One run of what is missing of an experiment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from facet_vision.backbone import Backbone
from facet_vision.training.data.datasets import TaskData
from facet_vision.training.data.remarks import remarks
from facet_vision.training.recipe import Recipe

from .entry import Entry
from .outcomes import Choice, Outcome, Outcomes
from .schedule import Say, Schedule
from .workers import fitting_jobs, workers


@dataclass(frozen=True)
class Options:
    """Options of a run; none of them decides a result.

    Attributes:
        device: of the backbone.
        jobs: trainings side by side; None for as many as fit.
        train: False to report the finished trainings only.
        command: the command line, for the report.
    """

    device: str
    jobs: int | None
    train: bool
    command: str


def train_missing(
    entries: Sequence[Entry],
    outcomes: Outcomes,
    largest: Backbone,
    options: Options,
    say: Say,
    said: Iterable[str],
) -> None:
    """Run all trainings of the entries that are not finished.

    Args:
        largest: of the backbones; it decides how many trainings fit side by side.
        said: remarks on the data that are not repeated.
    """
    jobs = options.jobs or fitting_jobs(largest)
    schedule = Schedule(list(entries), outcomes, say, said)
    with workers(jobs, options.device) as run:
        schedule.drive(run, jobs)


def finals(entry: Entry, outcomes: Outcomes) -> Iterator[tuple[Recipe, Choice, Outcome]]:
    """Yield the entry's final trainings that have succeeded, with what they stand on."""
    choice = outcomes.choice(entry)
    if choice is None or choice.failed:
        return
    for seed in entry.seeds:
        recipe = entry.final(choice.trial, seed)
        outcome = outcomes.find(entry, recipe)
        if outcome is not None:
            yield recipe, choice, outcome


def remark(contents: Mapping[str, TaskData], say: Say) -> list[str]:
    """Say what is remarkable about the data of each source, and return it."""
    said = [f"{source}: {each}" for source, data in contents.items() for each in remarks(data)]
    for sentence in said:
        say(sentence)
    return said


@contextmanager
def logged(say: Say, path: Path) -> Iterator[Say]:
    """Yield a function that also writes each line, with the time, to the end of a file."""
    with path.open("a", encoding="utf-8", buffering=1) as file:

        def both(line: str) -> None:
            file.write(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {line}\n")
            say(line)

        yield both
