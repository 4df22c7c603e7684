"""Studies: what each varies, over which values and curves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from facet_vision.training.errors import TrainingError
from facet_vision.training.overrides import RecipeOverrides
from facet_vision.training.recipe import Recipe
from facet_vision.training.variants.variant import INPUT_ONLY, PROMPTED, Variant, make_variant


@dataclass(frozen=True)
class Facts:
    """What the values of a study may depend on: the backbone's layers and the task's classes."""

    layers: int
    classes: int


@dataclass(frozen=True)
class Point:
    """One place on one curve.

    Attributes:
        value: on the study's axis; empty for a method that the study does not vary, which is drawn
            as a level.
        curve: name of the curve.
        variant: None for the method as it is registered.
        changes: fields of the recipe that the study sets.
    """

    value: str
    curve: str
    method: str
    variant: Variant | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Curve and value."""
        return f"{self.curve} {self.value}".strip()


@dataclass(frozen=True)
class Study:
    """One ablation.

    Attributes:
        axis: label of what is varied.
        scale: of the axis: "names", "linear" or "log".
        methods: compared where the user names none.
        values: taken where the user names none.
        points: from method, value and facts to places on curves; none where the method does not
            have the value.
        of_prompts: whether it varies prompts, so that a method without prompts is one level.
        of_images: whether it varies how many images are learned from, so that the recipe's own
            number does not hold.
    """

    name: str
    axis: str
    scale: str
    methods: tuple[str, ...]
    values: Callable[[Facts], tuple[str, ...]]
    points: Callable[[str, str, Facts], list[Point]]
    of_prompts: bool = True
    of_images: bool = False


def points_of(
    study: Study, methods: Sequence[str], values: Sequence[str], facts: Facts
) -> list[Point]:
    """Return every place of a study.

    Args:
        methods, values: empty for the study's own.

    Raises:
        TrainingError: a value is not one of the study, or does not fit a method or the backbone.
    """
    found: list[Point] = []
    for method in methods or study.methods:
        for value in _values(study, method, values, facts):
            found += _points(study, method, value, facts)
    names = [point.name for point in found]
    for name in names:
        if names.count(name) > 1:
            raise TrainingError(f"values: expected each once, found {name} twice")
    for point in found:
        if point.variant is not None:
            point.variant.check(point.method, facts.layers)
    return found


def recipe_of(point: Point, overrides: RecipeOverrides, source: str, seed: int) -> Recipe:
    """Return the complete recipe of a point's training.

    Raises:
        TrainingError: a value is not allowed.
    """
    fixed = {**point.changes, "data": source, "task": "ablation", "seed": seed}
    return overrides.recipe(point.method, fixed, point.value)


def check_overrides(overrides: RecipeOverrides, study: str, points: Sequence[Point]) -> None:
    """Check that some point of the study reads each table of a value, and each flag.

    Raises:
        TrainingError: no point reads one of them.
    """
    names = {name for point in points for name in (point.method, point.value)}
    varied = {field for point in points for field in point.changes}
    overrides.check(names, varied, f"the study {study}")


def _values(study: Study, method: str, values: Sequence[str], facts: Facts) -> Sequence[str]:
    if study.of_prompts and method not in PROMPTED:
        return ("",)
    chosen = values or study.values(facts)
    if not chosen:
        raise TrainingError(
            f"values: expected those of the study {study.name}, which has none of its own, "
            "found none"
        )
    return chosen


def _points(study: Study, method: str, value: str, facts: Facts) -> list[Point]:
    if not value:
        return [Point("", method, method)]
    return study.points(method, value, facts)


def _location(method: str, value: str, _: Facts) -> list[Point]:
    variant = make_variant(location=value)  # refuses an unknown value for every method
    if value in INPUT_ONLY and method == "vpt-deep":
        return []  # only the input has pixels
    return [Point(value, method, method, variant)]


def _length(method: str, value: str, _: Facts) -> list[Point]:
    return [Point(value, method, method, changes={"tokens": _integer("length", value)})]


def _depth(method: str, value: str, facts: Facts) -> list[Point]:
    depth = _integer("depth", value)
    if depth == facts.layers:
        # The three curves meet here; equal variants are one training.
        variants = [Variant(), Variant(), Variant()]
    else:
        variants = [
            make_variant(depth=depth),
            make_variant(depth=depth, beyond="drop"),
            make_variant(depth=depth, direction="top-down"),
        ]
    curves = ("first k layers", "first k layers, then dropped", "last k layers")
    return [
        Point(value, curve, method, variant)
        for curve, variant in zip(curves, variants, strict=True)
    ]


def _depths(facts: Facts) -> tuple[str, ...]:
    """Return 1 and the quarters, as the paper's 1, 3, 6, 9, 12."""
    quarters = {max(1, facts.layers * n // 4) for n in (1, 2, 3, 4)}
    return tuple(str(depth) for depth in sorted({1} | quarters))


def _init(method: str, value: str, facts: Facts) -> list[Point]:
    """Return the point of a start, with as many prompts as classes.

    Prototypes are one for each class; the other starts get the same number, to be comparable.
    """
    return [Point(value, method, method, make_variant(init=value), {"tokens": facts.classes})]


def _shared(method: str, value: str, _: Facts) -> list[Point]:
    if value not in ("own", "shared"):
        raise TrainingError(f"shared: expected own or shared, found {value!r}")
    return [Point(value, method, method, make_variant(shared=value == "shared"))]


def _projected(method: str, value: str, _: Facts) -> list[Point]:
    width = None if value == "none" else _integer("projection", value)
    return [Point(value, method, method, make_variant(projection=width))]


def _size(method: str, value: str, _: Facts) -> list[Point]:
    return [Point(value, method, method, changes=_images(shots=_integer("size", value)))]


def _images(shots: int | None = None, fraction: float | None = None) -> dict[str, Any]:
    return {"shots": shots, "fraction": fraction}


def _fraction(method: str, value: str, _: Facts) -> list[Point]:
    share = _number("fraction", value)
    if not 0 < share <= 1:
        raise TrainingError(f"fraction: expected a number above 0, at most 1, found {value!r}")
    return [Point(value, method, method, changes=_images(fraction=share))]


def _backbone(method: str, value: str, _facts: Facts) -> list[Point]:
    """Return the point of a backbone: NAME, or NAME=FILE for weights of a local file.

    It is called NAME where the file is, as `facet pretrain` calls it, and else NAME=FILE without
    the folder.
    """
    name, _, checkpoint = value.partition("=")
    file = Path(checkpoint)
    plain = not checkpoint or file.stem == name.replace("-", "_")
    shown = name if plain else f"{name}={file.name}"
    changes = {"backbone": name, "checkpoint": checkpoint or None}
    return [Point(shown, method, method, changes=changes)]


def _switch(
    name: str, convert: Callable[[str, str], Any] = lambda _, value: value
) -> Callable[..., list[Point]]:
    """Return the points function of a study whose value is one switch of the variant."""

    def points(method: str, value: str, _: Facts) -> list[Point]:
        return [Point(value, method, method, make_variant(**{name: convert(name, value)}))]

    return points


def _integer(name: str, value: str) -> int:
    if not value.isdecimal() or not int(value):
        raise TrainingError(f"{name}: expected a whole number from 1, found {value!r}")
    return int(value)


def _number(name: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise TrainingError(f"{name}: expected a number, found {value!r}") from None


def _always(*values: str) -> Callable[[Facts], tuple[str, ...]]:
    return lambda _: values


_DEEP = ("vpt-deep", "linear")
_ALL = ("vpt-deep", "linear", "full")
_SIZED = ("linear", "vpt-deep", "lora", "full")
_BOTH = ("vpt-shallow", "vpt-deep", "linear")

_LENGTHS = _always("1", "5", "10", "50", "100")
_LOCATIONS = _always("prepend", "add", "add-1", "prepend-pixel", "pad", "below")
_POOLINGS = _always("cls", "image", "prompt", "all")
_INITS = _always("uniform", "normal", "zero", "final-cls", "cls-nolastl", "cls-nofirstl")
_SHARING = _always("own", "shared")
_WIDTHS = _always("4", "16", "64", "none")
_DROPOUTS = _always("0", "0.1", "0.3")
_SIZES = _always("5", "10", "25", "50", "100", "200")
_FRACTIONS = _always("0.1", "0.2", "0.4", "0.6", "0.8", "1.0")

_IMAGES = "share of the training images"

# name, axis, scale, methods, values, points
_STUDIES = (
    Study("location", "prompt location", "names", _BOTH, _LOCATIONS, _location),
    Study("length", "prompt length", "log", _DEEP, _LENGTHS, _length),
    Study("depth", "prompted layers k", "linear", _DEEP, _depths, _depth),
    Study("pooling", "output", "names", _DEEP, _POOLINGS, _switch("pooling")),
    Study("init", "initial prompts", "names", _DEEP, _INITS, _init),
    Study("shared", "prompts of the layers", "names", _DEEP, _SHARING, _shared),
    Study("projected", "width of the prompts", "names", _DEEP, _WIDTHS, _projected),
    Study("dropout", "prompt dropout", "linear", _DEEP, _DROPOUTS, _switch("dropout", _number)),
    Study(
        "size", "images per class", "log", _SIZED, _SIZES, _size, of_prompts=False, of_images=True
    ),
    Study(
        "fraction", _IMAGES, "linear", _ALL, _FRACTIONS, _fraction, of_prompts=False, of_images=True
    ),
    Study("backbone", "backbone", "names", _ALL, _always(), _backbone, of_prompts=False),
)

STUDIES: dict[str, Study] = {study.name: study for study in _STUDIES}
"""The studies by name."""


def find_study(name: str) -> Study:
    """Return a study; raises TrainingError where there is none of that name."""
    if name not in STUDIES:
        raise TrainingError(f"study: expected one of {', '.join(STUDIES)}, found {name!r}")
    return STUDIES[name]
