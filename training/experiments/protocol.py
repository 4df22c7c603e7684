"""Protocol of an experiment: all that decides its trainings, fixed with the first of them.

It is in a file beside the report. A later command may add what is compared, seeds and tasks, as
long as the trainings that are there would not have been made differently; anything else needs
another folder, because the report would mix two protocols.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from facet_vision.prompts_store import durable
from facet_vision.training.errors import TrainingError
from facet_vision.training.recipe import Recipe
from facet_vision.training.tuning.search import grid_of

from .grids import SPLIT_FIELDS
from .hyperparameters import first_difference, hyperparameters
from .outcomes import Outcomes

GROWING = ("seeds", "tasks", "methods", "points")
"""What a later command may add to."""

Facts = dict[str, Any]
"""JSON values by name."""


@dataclass(frozen=True)
class Protocol:
    """What the trainings of a report have in common.

    Attributes:
        facts: what is compared, split, seeds and tasks, each with all that decides it.
        added: what was added after the first training, and after how many final trainings.
    """

    facts: Facts
    added: tuple[str, ...] = ()

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Protocol:
        """Return the protocol of a command from values that JSON can hold."""
        return cls(json.loads(json.dumps(facts)))  # lists for tuples, as in the file

    @property
    def digest(self) -> str:
        """A sha256 of the facts, which depends on values alone, not on code or order."""
        return hashlib.sha256(json.dumps(self.facts, sort_keys=True).encode()).hexdigest()


def opened(path: Path, found: Protocol, outcomes: Outcomes, *, extend: bool) -> Protocol:
    """Return the protocol of a file after this command; it is on disk when this returns.

    Args:
        path: in the folder of the report, which exists.
        found: the protocol of this command.
        outcomes: of the trainings beside it.
        extend: whether the command may begin a protocol or add to it.

    Raises:
        TrainingError: the trainings are those of another protocol, or of none.
    """
    if not path.exists():
        if len(outcomes.results):
            raise TrainingError(
                f"{path}: expected the protocol of the trainings in {outcomes.results.path}, "
                "found none; trainings by a protocol need a folder of their own"
            )
        return _written(path, found) if extend else found
    recorded = _read(path)
    _check_same(recorded.facts, found.facts, path)
    added = ", ".join(_added(recorded.facts, found.facts))
    if not added:
        return recorded
    if not extend:
        raise TrainingError(f"protocol: expected that of {path} without training, found {added}")
    sentence = f"{added}, after {outcomes.finished} final trainings"
    return _written(path, Protocol(found.facts, (*recorded.added, sentence)))


def as_facts(recipe: Recipe, without: Collection[str] = ()) -> Facts:
    """Return the grid of an entry, and all other hyperparameters of its trainings.

    Args:
        without: fields that are stated elsewhere, beside those of every protocol.
    """
    given = ("method", "seed", "measure_on", *SPLIT_FIELDS, *without)
    values = {name: each for name, each in hyperparameters(recipe).items() if name not in given}
    # floats, so that 1 and 1.0 have one digest
    grid = {} if recipe.search is None else grid_of(recipe)
    return {"grid": {name: [*map(float, each)] for name, each in grid.items()}, "recipe": values}


def _check_same(recorded: Facts, found: Facts, path: Path) -> None:
    difference = next(_differences(recorded, found), None)
    if difference is not None:
        name, expected, other = difference
        raise TrainingError(
            f"{name}: expected {_shown(expected)}, as in {path}, found {_shown(other)}; "
            "another protocol needs another folder"
        )


def _differences(recorded: Facts, found: Facts) -> Iterator[tuple[str, Any, Any]]:
    """Yield what differs by more than an addition: its name, recorded value, and this one."""
    for name in dict.fromkeys([*recorded, *found]):
        before: Any = recorded.get(name)
        now: Any = found.get(name)
        if isinstance(before, dict) and isinstance(now, dict):
            for inner, *values in _within(name, before, now):
                yield (f"{name}.{inner}", *values)
        elif name == "seeds" and now[: len(before)] == before:
            continue  # some were added behind; the first one is the search's
        elif before != now:
            yield name, before, now


def _within(name: str, before: Facts, now: Facts) -> Iterator[tuple[str, Any, Any]]:
    if name == "recipe":
        differing = first_difference(before, now)
        if differing is not None:
            yield differing, before.get(differing), now.get(differing)
    elif name in GROWING:
        yield from _differences(before, {key: now[key] for key in now if key in before})
    else:
        yield from _differences(before, now)


def _added(recorded: Facts, found: Facts) -> Iterator[str]:
    for name in GROWING:
        new = [str(each) for each in found.get(name, ()) if each not in recorded[name]]
        if new:
            yield f"{name} {', '.join(new)}"


def _shown(value: Any) -> str:
    text = "none" if value is None else json.dumps(value)
    return text if len(text) <= 80 else f"{text[:60]}…"


def _read(path: Path) -> Protocol:
    try:
        written = json.loads(path.read_text("utf-8"))
        protocol = Protocol(written["facts"], tuple(written["added"]))
        expected = written["digest"]
    except (ValueError, TypeError, KeyError) as error:
        raise TrainingError(f"{path}: expected a protocol, found something else") from error
    if protocol.digest != expected:
        raise TrainingError(
            f"{path}: expected the facts of digest {expected}, found those of {protocol.digest}"
        )
    return protocol


def _written(path: Path, protocol: Protocol) -> Protocol:
    text = json.dumps({"digest": protocol.digest, **asdict(protocol)}, indent=1)
    durable.replace(path, f"{text}\n".encode())
    return protocol
