"""Trainings of a study: every point of it on every task, searched once each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from facet_vision.backbone import Backbone
from facet_vision.training.data.datasets import TaskData
from facet_vision.training.data.datasets.splits import rows_by_label
from facet_vision.training.errors import DataError, TrainingError
from facet_vision.training.experiments.entry import Entry
from facet_vision.training.experiments.grids import SPLIT_FIELDS, check_grids
from facet_vision.training.experiments.protocol import Protocol, as_facts
from facet_vision.training.overrides import RecipeOverrides
from facet_vision.training.recipe import Recipe

from .studies import Facts, Point, Study, check_overrides, points_of, recipe_of

Load = Callable[[Recipe], Backbone]
"""Returns the backbone that a recipe names."""


@dataclass(frozen=True)
class StudyPlan:
    """The scope of a study.

    Attributes:
        data: sources as `facet train` takes them.
        methods, values: empty for the study's own.
        seeds: of the final trainings; the first one is the seed of the searches too.
        overrides: hyperparameters of a recipe file and of flags.
    """

    study: Study
    data: tuple[str, ...]
    methods: tuple[str, ...]
    values: tuple[str, ...]
    seeds: tuple[int, ...]
    overrides: RecipeOverrides

    def common(self, source: str) -> Recipe:
        """Return a recipe that has what all trainings on a source have in common."""
        changes = {"shots": None, "fraction": None} if self.study.of_images else {}
        point = Point("", "", "linear", changes=changes)
        return recipe_of(point, self.overrides, source, self.seeds[0])


@dataclass(frozen=True)
class Place:
    """A point on a task.

    Attributes:
        entry: its trainings; points that are the same training have equal ones.
        backbone: name and fingerprint.
    """

    point: Point
    entry: Entry
    backbone: tuple[str, str]


def places_of(
    plan: StudyPlan, contents: Mapping[str, TaskData], load: Load
) -> tuple[list[Place], list[str]]:
    """Return every point on every task, task by task, and a sentence about what is left out.

    All of them are made before the first training, so that mistakes are found early.

    Args:
        contents: of each source what its final trainings learn from.

    Raises:
        TrainingError: the plan is not usable.
    """
    found: list[Place] = []
    left_out: dict[str, None] = {}  # a set in order: all methods leave out the same
    for source, data in contents.items():
        smallest = min(map(len, rows_by_label(data.train.targets, len(data.labels))))
        for point in _points(plan, source, data, load):
            if (point.changes.get("shots") or 0) > smallest:
                fewer = f"the smallest class has {smallest} training images"
                left_out[f"{source}: {point.value} images per class are left out, {fewer}"] = None
            else:
                found.append(_place(plan, point, source, len(data.labels), load))
    if not found:
        raise TrainingError(
            "; ".join(["values: expected one that a task has, found none", *left_out])
        )
    where = f"the study {plan.study.name}"
    plan.overrides.check_read((place.entry.recipe for place in found), where)
    recipes = {place.point.name: place.entry.recipe for place in found}
    check_grids(recipes, _varied_fields(found))
    return found, [*left_out]


def _points(plan: StudyPlan, source: str, data: TaskData, load: Load) -> list[Point]:
    if data.multi_label:
        raise DataError(
            f"data: expected one label for each image, found the multi-label set {source}"
        )
    # Where backbones are compared there is no common one.
    layers = len(load(plan.common(source)).layer_dims) if plan.study.of_prompts else 0
    facts = Facts(layers, len(data.labels))
    points = points_of(plan.study, plan.methods, plan.values, facts)
    check_overrides(plan.overrides, plan.study.name, points)
    return points


def _place(plan: StudyPlan, point: Point, source: str, classes: int, load: Load) -> Place:
    recipe = recipe_of(point, plan.overrides, source, plan.seeds[0])
    _check_validation(recipe, classes)
    backbone = load(recipe)
    entry = Entry(recipe, plan.seeds, point.name, point.variant, _varied(point, backbone))
    return Place(point, entry, (backbone.name, backbone.fingerprint))


def _check_validation(recipe: Recipe, classes: int) -> None:
    """Check that a search within few shots has a validation image of each class."""
    if recipe.search is None or recipe.shots is None:
        return
    amount = recipe.validation
    if (round(amount * recipe.shots) if amount < 1 else amount // classes) < 1:
        raise TrainingError(
            f"validation: expected at least one of {recipe.shots} images of each class, found "
            f"{amount:g}"
        )


def _varied(point: Point, backbone: Backbone) -> dict[str, Any]:
    """Return what tells the point from others of its method; weights by what they are."""
    varied: dict[str, Any] = {}
    if point.variant is not None:
        varied["variant"] = point.variant.changes()
    for name, value in point.changes.items():
        if name == "backbone":
            varied["fingerprint"] = backbone.fingerprint
        elif name != "checkpoint" and value is not None:
            varied[name] = value
    return varied


def _varied_fields(places: Sequence[Place]) -> set[str]:
    return {name for place in places for name in place.point.changes}


def distinct(places: Sequence[Place]) -> list[Entry]:
    """Return the entries, each once."""
    found: list[Entry] = []
    seen: list[dict[str, Any]] = []
    for place in places:
        if place.entry.place not in seen:
            seen.append(place.entry.place)
            found.append(place.entry)
    return found


def protocol_of(plan: StudyPlan, places: Sequence[Place], images: Mapping[str, str]) -> Protocol:
    """Return the protocol of a study.

    Args:
        images: a digest of the training images and labels of each source.
    """
    varied = _varied_fields(places)
    first = places[0].entry.recipe
    points: dict[str, dict[str, Any]] = {}
    for place in places:
        name, fingerprint = place.backbone
        points.setdefault(
            place.point.name,
            {
                "method": place.point.method,
                "variant": place.point.variant and place.point.variant.changes(),
                "backbone": {"name": name, "fingerprint": fingerprint},
                # what the study varies is in the point's name
                **as_facts(place.entry.recipe, without=varied),
            },
        )
    return Protocol.of(
        {
            "study": plan.study.name,
            "split": {name: getattr(first, name) for name in SPLIT_FIELDS if name not in varied},
            "seeds": plan.seeds,
            "tasks": {source: {"images": images[source]} for source in plan.data},
            "points": points,
        }
    )
