"""Plan of a comparison."""

from pathlib import Path

import pytest

from facet_vision.training.comparison.plan import METHODS, UNGROUPED, Plan, grouped
from facet_vision.training.errors import TrainingError
from facet_vision.training.methods import find
from facet_vision.training.overrides import RecipeOverrides
from tests.training.support.plans import plan_of

GRIDS = Path(__file__).parents[3] / "training" / "comparison" / "grids.toml"


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
    plan = plan_of(tmp_path, "epochs = 7\nseed = 99\n[vpt-deep]\nlr = 0.5\nepochs = 8\n")
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
            "[ful]\nlr = 1",
            {},
            r"^recipe table: expected a method or a value of the comparison, found 'ful'",
        ),
        ("", {"search": "lr=x"}, r"^search: expected "),
        ("[vpt-deep]\nsearch = 'tokens=-1'", {}, r"^tokens: "),
        ("[linear]\nnothing = 1", {}, r"^recipe: expected fields of a recipe"),
    ],
)
def test_mistakes_are_found_before_the_first_training(
    tmp_path: Path, text: str, flags: dict[str, object], message: str
) -> None:
    with pytest.raises(TrainingError, match=message):
        plan_of(tmp_path, text, **flags).check()


def test_a_search_has_as_many_trials_for_every_method(tmp_path: Path) -> None:
    equal = "[linear]\nsearch = 'lr=0.1,0.3'\n[vpt-deep]\nsearch = 'tokens=1,5'\n"
    plan_of(tmp_path, equal).check()
    for text, counts in (
        (equal.replace("1,5", "1,5,10"), "2 for linear and 3 for vpt-deep"),
        ("[linear]\nsearch = 'lr=0.1,0.3'\n", "2 for linear and 0 for vpt-deep"),
        (f"{equal}[full]\nsearch = 'lr=0.1'\n", "2 for linear and 1 for full"),  # to be added
    ):
        with pytest.raises(
            TrainingError,
            match=f"^trials of the search: expected the same for all, found {counts}$",
        ):
            plan_of(tmp_path, text).check()


@pytest.mark.parametrize("field", ["shots = 3", "validation = 0.5", "patience = 2"])
def test_all_methods_have_the_same_parts(field: str, tmp_path: Path) -> None:
    plan_of(tmp_path, field).check()
    name = field.partition(" ")[0]
    with pytest.raises(TrainingError, match=f"^{name}: expected the same for all, found "):
        plan_of(tmp_path, f"[linear]\n{field}\n").check()


def test_a_grid_names_what_its_method_uses(tmp_path: Path) -> None:
    with pytest.raises(
        TrainingError, match=r"^search: expected hyperparameters that linear uses, found 'tokens'$"
    ):
        plan_of(tmp_path, search="tokens=1,5").check()


def test_a_file_may_have_methods_that_are_not_compared(tmp_path: Path) -> None:
    plan_of(tmp_path, "[full]\nlr = 0.5\n").check()


# the grids of the repository


def test_the_committed_grids_are_complete_and_of_equal_size() -> None:
    overrides = RecipeOverrides(GRIDS, {})
    assert overrides.tables.keys() == set(METHODS)
    assert all("search" in table for table in overrides.tables.values())
    Plan({"tasks": ("digits",)}, METHODS, (0,), overrides).check()
