"""Plan of a comparison, and the order of its trainings."""

from concurrent.futures import Future
from pathlib import Path

import pytest

from facet_vision.backbone import Backbone
from facet_vision.training.comparison.plan import METHODS, UNGROUPED, Plan, grouped
from facet_vision.training.comparison.schedule import Outcomes, Schedule
from facet_vision.training.errors import TrainingError
from facet_vision.training.methods import find
from facet_vision.training.overrides import RecipeOverrides
from facet_vision.training.recipe import Recipe
from facet_vision.training.results import Results


def _plan(tmp_path: Path, text: str = "", **flags: object) -> Plan:
    file = tmp_path / "recipe.toml"
    file.write_text(text)
    return Plan(
        {"one": ("a",), "two": ("b",)}, ("linear", "vpt-deep"), (3, 4), RecipeOverrides(file, flags)
    )


def test_all_methods_of_the_paper_and_lora_are_compared() -> None:
    assert len({find(method) for method in METHODS}) == 10


def test_data_sets_by_group(tmp_path: Path) -> None:
    odd = tmp_path / "a=b"
    odd.mkdir()
    assert grouped(["real=digits", "x", "drawn=count", "real=letters", str(odd)]) == {
        "real": ("digits", "letters"),
        UNGROUPED: ("x", str(odd)),
        "drawn": ("count",),
    }


@pytest.mark.parametrize("data", [[], ["a", "a"], ["one=a", "two=a"]])
def test_data_sets_that_cannot_be_compared(data: list[str]) -> None:
    with pytest.raises(TrainingError, match=r"^data: expected .*, found "):
        grouped(data)


def test_an_entry_for_every_method_on_every_task(tmp_path: Path) -> None:
    plan = _plan(tmp_path, "epochs = 7\nseed = 99\n[vpt-deep]\nlr = 0.5\nepochs = 8\n")
    recipes = [entry.recipe for entry in plan.entries()]
    assert [(each.data, each.method, each.epochs, each.seed) for each in recipes] == [
        ("a", "linear", 7, 3),
        ("a", "vpt-deep", 8, 3),
        ("b", "linear", 7, 3),
        ("b", "vpt-deep", 8, 3),
    ]
    assert recipes[1].lr == 0.5


@pytest.mark.parametrize(
    ("text", "flags", "message"),
    [
        (
            "[full]\nlr = 1",
            {},
            r"^recipe table: expected a method or a value of the comparison, found 'full'",
        ),
        ("", {"search": "lr=x"}, r"^search: expected "),
        ("[linear]\nsearch = 'tokens=-1'", {}, r"^tokens: "),
        ("[linear]\nnothing = 1", {}, r"^recipe: expected fields of a recipe"),
    ],
)
def test_mistakes_are_found_before_the_first_training(
    tmp_path: Path, text: str, flags: dict[str, object], message: str
) -> None:
    with pytest.raises(TrainingError, match=message):
        _plan(tmp_path, text, **flags).check()


class Trainer:
    """Trains at once: the score of a recipe is its weight decay, and rate 9 fails."""

    def __init__(self) -> None:
        self.ran: list[Recipe] = []

    def __call__(self, recipe: Recipe) -> "Future[dict[str, float]]":
        self.ran.append(recipe)
        future: Future[dict[str, float]] = Future()
        if recipe.lr == 9:
            future.set_exception(TrainingError("loss: expected a finite number"))
        else:
            future.set_result({"score": recipe.weight_decay, "seconds": 1.0})
        return future


def _drive(plan: Plan, tmp_path: Path, tiny: Backbone) -> tuple[Trainer, Outcomes, list[str]]:
    trainer, lines = Trainer(), list[str]()
    outcomes = Outcomes(Results(tmp_path / "cells.jsonl"), {"a": "about a", "b": "about b"}, tiny)
    Schedule(list(plan.entries()), outcomes, lines.append).drive(trainer, 1)
    return trainer, outcomes, lines


def test_trials_then_the_final_trainings_with_what_they_chose(
    tmp_path: Path, tiny: Backbone
) -> None:
    plan = _plan(tmp_path, search="lr=0.1 weight_decay=0.25,0.5,0.125")
    trainer, outcomes, lines = _drive(plan, tmp_path, tiny)
    first = [
        (each.method, each.measure_on, each.weight_decay, each.seed) for each in trainer.ran[:5]
    ]
    assert first == [
        ("linear", "validation", 0.25, 3),
        ("linear", "validation", 0.5, 3),
        ("linear", "validation", 0.125, 3),
        ("linear", "test", 0.5, 3),
        ("linear", "test", 0.5, 4),
    ]
    assert len(trainer.ran) == len(lines) == 4 * 5
    assert lines[-1].startswith("[20/20] b vpt-deep seed 4: 0.500")
    assert outcomes.finals(next(plan.entries()))[1] == 0.5


def test_finished_trainings_are_not_repeated(tmp_path: Path, tiny: Backbone) -> None:
    plan = _plan(tmp_path, search="weight_decay=0.25,0.5")
    assert len(_drive(plan, tmp_path, tiny)[0].ran) == 16
    again, _, lines = _drive(plan, tmp_path, tiny)
    assert again.ran == []
    assert len(lines) == 16
    wider, _, _ = _drive(_plan(tmp_path, search="weight_decay=0.25,0.5,0.75"), tmp_path, tiny)
    assert [each.weight_decay for each in wider.ran[:3]] == [0.75] * 3
    assert len(wider.ran) == 4 * 3


def test_failed_trials_are_left_out(tmp_path: Path, tiny: Backbone) -> None:
    trainer, outcomes, lines = _drive(_plan(tmp_path, search="lr=0.1,9"), tmp_path, tiny)
    assert {each.lr for each in trainer.ran if each.measure_on == "test"} == {0.1}
    assert sum("failed: loss" in line for line in lines) == 4
    plan = _plan(tmp_path, search="lr=9")
    trainer, outcomes, _ = _drive(plan, tmp_path, tiny)
    assert {each.measure_on for each in trainer.ran} == {"validation"}
    assert [outcomes.finals(entry) for entry in plan.entries()] == [([], None)] * 4


def test_without_a_search_there_are_only_final_trainings(tmp_path: Path, tiny: Backbone) -> None:
    trainer, _, _ = _drive(_plan(tmp_path), tmp_path, tiny)
    assert [each.measure_on for each in trainer.ran] == ["test"] * 8
