"""Trainings of each study."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from facet_vision.training.ablation.studies import (
    STUDIES,
    Facts,
    Point,
    check_overrides,
    find_study,
    points_of,
    recipe_of,
)
from facet_vision.training.errors import TrainingError
from facet_vision.training.experiments.grids import check_grids
from facet_vision.training.overrides import RecipeOverrides
from facet_vision.training.tuning.search import candidates
from facet_vision.training.variants.variant import Variant

FACTS = Facts(layers=12, classes=7)


def points(
    study: str, methods: Sequence[str] = ("vpt-deep",), values: Sequence[str] = ()
) -> list[Point]:
    return points_of(find_study(study), methods, values, FACTS)


@pytest.mark.parametrize("name", sorted(STUDIES.keys() - {"backbone"}))
def test_every_study_has_values_and_methods_of_its_own(name: str) -> None:
    found = points_of(STUDIES[name], (), (), FACTS)
    assert {point.method for point in found} == set(STUDIES[name].methods)
    assert len({(point.curve, point.value) for point in found}) == len(found)


def test_a_method_without_prompts_is_one_level() -> None:
    assert points("length", ["linear"]) == [Point("", "linear", "linear")]
    assert len(points("fraction", ["linear"])) == 6


def test_locations() -> None:
    deep = [point.value for point in points("location")]
    shallow = [point.value for point in points("location", ["vpt-shallow"])]
    assert deep == ["prepend", "add", "add-1"]
    assert shallow == [*deep, "prepend-pixel", "pad", "below"]
    assert points("location")[1].variant == Variant(location="add")


def test_length_changes_the_tokens() -> None:
    assert [point.changes for point in points("length", values=["2", "7"])] == [
        {"tokens": 2},
        {"tokens": 7},
    ]


def test_depth_has_three_curves_that_meet_at_all_layers() -> None:
    found = points("depth")
    assert list(dict.fromkeys(point.value for point in found)) == ["1", "3", "6", "9", "12"]
    at_three = [point.variant for point in found if point.value == "3"]
    assert at_three == [
        Variant(depth=3),
        Variant(depth=3, beyond="drop"),
        Variant(depth=3, direction="top-down"),
    ]
    assert [point.variant for point in found if point.value == "12"] == [Variant()] * 3


def test_init_takes_a_prompt_for_every_class() -> None:
    found = points("init", values=["zero", "final-cls"])
    assert [point.variant for point in found] == [Variant(init="zero"), Variant(init="final-cls")]
    assert all(point.changes == {"tokens": 7} for point in found)


@pytest.mark.parametrize(
    ("study", "value", "variant"),
    [
        ("pooling", "prompt", Variant(pooling="prompt")),
        ("shared", "shared", Variant(shared=True)),
        ("shared", "own", Variant()),
        ("projected", "16", Variant(projection=16)),
        ("projected", "none", Variant()),
        ("dropout", "0.3", Variant(dropout=0.3)),
    ],
)
def test_values_of_a_switch(study: str, value: str, variant: Variant) -> None:
    assert [point.variant for point in points(study, values=[value])] == [variant]


def test_sizes_fractions_and_backbones() -> None:
    assert [point.changes for point in points("size", values=["5", "200"])] == [
        {"shots": 5, "fraction": None},
        {"shots": 200, "fraction": None},
    ]
    assert [point.changes["fraction"] for point in points("fraction", values=["0.25", "1"])] == [
        0.25,
        1.0,
    ]
    values = [
        "facet-tiny",
        "vit_small_patch16_224=small.safetensors",
        "facet-nano=x/facet_nano.pth",
    ]
    found = points("backbone", values=values)
    assert [point.value for point in found] == [*values[:2], "facet-nano"]
    assert [point.changes for point in found] == [
        {"backbone": "facet-tiny", "checkpoint": None},
        {"backbone": "vit_small_patch16_224", "checkpoint": "small.safetensors"},
        {"backbone": "facet-nano", "checkpoint": "x/facet_nano.pth"},
    ]


@pytest.mark.parametrize(
    ("study", "methods", "values", "sentence"),
    [
        ("length", ["vpt-deep"], ["many"], "length: expected a whole number from 1, found 'many'"),
        (
            "depth",
            ["vpt-deep"],
            ["13"],
            "depth: expected at most 12, the layers of the backbone, found 13",
        ),
        ("depth", ["vpt-shallow"], ["2"], "depth: expected no value for vpt-shallow, found 2"),
        ("length", ["vpt-deep"], ["5", "5"], "values: expected each once, found vpt-deep 5 twice"),
        ("shared", ["vpt-deep"], ["some"], "shared: expected own or shared, found 'some'"),
        ("dropout", ["vpt-deep"], ["x"], "dropout: expected a number, found 'x'"),
        ("dropout", ["vpt-deep"], ["1"], "dropout: expected less than 1, found 1.0"),
        ("size", ["full"], ["x"], "size: expected a whole number from 1, found 'x'"),
        ("fraction", ["full"], ["2"], "fraction: expected a number above 0, at most 1, found '2'"),
        (
            "pooling",
            ["vpt-deep"],
            ["max"],
            "pooling: expected 'backbone', 'cls', 'image', 'prompt' or 'all', found 'max'",
        ),
        (
            "backbone",
            ["full"],
            [],
            "values: expected those of the study backbone, which has none of its own, found none",
        ),
    ],
)
def test_values_are_checked(
    study: str, methods: list[str], values: list[str], sentence: str
) -> None:
    with pytest.raises(TrainingError) as raised:
        points(study, methods, values)
    assert str(raised.value) == sentence


def test_unknown_study() -> None:
    with pytest.raises(
        TrainingError, match=r"^study: expected one of location, length, .*, found 'colour'$"
    ):
        find_study("colour")


# Hyperparameters

RECIPE = """
data = "flowers"
task = "flowers"
method = "linear"
seed = 9
epochs = 3
lr = 0.5
tokens = 8
[vpt-deep]
lr = 0.25
weight_decay = 0.125
[pad]
tokens = 2
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "study.toml"
    path.write_text(RECIPE)
    return path


def values(overrides: RecipeOverrides, point: Point) -> dict[str, Any]:
    return recipe_of(point, overrides, "digits", 5).model_dump()


def test_recipe_of_a_training(file: Path) -> None:
    found = values(
        RecipeOverrides(file, {}), Point("1", "vpt-shallow", "vpt-shallow", changes={"tokens": 4})
    )
    assert found["data"] == "digits"
    assert found["method"] == "vpt-shallow"
    assert (found["seed"], found["epochs"], found["lr"], found["tokens"]) == (5, 3, 0.5, 4)
    assert found["head_lr"] == 0.08  # the method's default


def test_tables_hold_for_a_method_or_a_value(file: Path) -> None:
    overrides = RecipeOverrides(file, {})
    deep, pad = Point("10", "vpt-deep", "vpt-deep"), Point("pad", "vpt-shallow", "vpt-shallow")
    assert [values(overrides, deep)[name] for name in ("lr", "weight_decay", "tokens")] == [
        0.25,
        0.125,
        8,
    ]
    assert [values(overrides, pad)[name] for name in ("lr", "weight_decay", "tokens")] == [
        0.5,
        0.01,
        2,
    ]
    check_overrides(overrides, "location", [deep, pad])
    check_overrides(overrides, "location", [pad])  # a file may serve several studies


@pytest.mark.parametrize("name", sorted(STUDIES))
def test_the_committed_recipes_suit_their_studies(name: str) -> None:
    folder = Path(__file__).parents[3] / "docs" / "ablation"
    overrides = RecipeOverrides(
        folder / ("location.toml" if name == "location" else "recipe.toml"), {}
    )
    given = ("facet-nano", "facet-tiny") if name == "backbone" else ()
    found = points_of(STUDIES[name], (), given, FACTS)
    check_overrides(overrides, name, found)
    recipes = {point.name: recipe_of(point, overrides, "digits", 0) for point in found}
    check_grids(recipes, {"shots", "fraction"})
    for recipe in recipes.values():
        assert len(candidates(recipe)) == 3
        assert recipe.validation * (recipe.shots or 5) >= 1


def test_flags_win_over_the_file(file: Path) -> None:
    assert (
        values(RecipeOverrides(file, {"lr": 2.0}), Point("1", "vpt-deep", "vpt-deep"))["lr"] == 2.0
    )


def test_tables_and_flags_that_nothing_reads_are_refused(file: Path) -> None:
    with pytest.raises(
        TrainingError,
        match=r"^recipe table: expected a method or a value of the study length, found 'pad'",
    ):
        check_overrides(RecipeOverrides(file, {}), "length", [Point("1", "vpt-deep", "vpt-deep")])
    with pytest.raises(
        TrainingError, match=r"^tokens: expected no value, which the study length varies, found 3$"
    ):
        check_overrides(
            RecipeOverrides(None, {"tokens": 3}),
            "length",
            [Point("1", "v", "vpt-deep", changes={"tokens": 1})],
        )
