from pathlib import Path

import pytest

from facet_vision.training.errors import TrainingError
from facet_vision.training.methods import METHODS, find
from facet_vision.training.new_recipe import new_recipe
from facet_vision.training.recipe import (
    FITTING_FIELDS,
    METHOD_FIELDS,
    Recipe,
    make_recipe,
    read_recipe,
)

GIVEN = {"data": "digits", "task": "digits"}


def test_flags_win_over_file_over_method_over_defaults(tmp_path: Path) -> None:
    file = tmp_path / "r.toml"
    file.write_text(
        'data = "digits"\ntask = "mine"\nmethod = "vpt-shallow"\nepochs = 7\nbatch_size = 8\n'
    )
    recipe = new_recipe(file, epochs=3)
    assert (recipe.epochs, recipe.batch_size, recipe.method, recipe.task) == (
        3,
        8,
        "vpt-shallow",
        "mine",
    )
    assert recipe.lr == METHODS["vpt-shallow"].defaults["lr"]
    assert recipe.warmup == Recipe.model_fields["warmup"].default


def test_rates_scale_with_the_batch() -> None:
    recipe = make_recipe(GIVEN | {"lr": 0.4, "head_lr": 0.2, "batch_size": 64}, {})
    assert recipe.rates == pytest.approx((0.1, 0.05))
    assert make_recipe(GIVEN | {"lr": 0.4, "batch_size": 512}, {}).rates == pytest.approx(
        (0.8, 0.8)
    )


def test_manifest_records_what_the_method_used() -> None:
    recipe = make_recipe(GIVEN | {"lr": 0.4, "side_weights": "/somewhere/alexnet.pth"}, {})
    recorded = recipe.hyperparameters(FITTING_FIELDS | {"rank", "side_weights"})
    assert {"lr", "seed", "epochs", "optimizer", "rank"} <= set(recorded)
    assert not {"tokens", "data", "task", "head_lr", "checkpoint", "dropout"} & set(recorded)
    assert recorded["side_weights"] == "alexnet.pth"


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"epochs": 0}, r"^epochs: input should be greater than or equal to 1, found 0$"),
        ({"lr": float("nan")}, r"^lr: .*, found nan$"),
        ({"optimizer": "adam"}, r"^optimizer: input should be 'adamw' or 'sgd', found 'adam'$"),
        ({"epoch": 3}, r"^recipe: expected fields of a recipe, found 'epoch' as well$"),
        ({"task": ()}, r"^task: "),
    ],
)
def test_wrong_values_are_one_sentence(wrong: dict, sentence: str) -> None:
    with pytest.raises(TrainingError, match=sentence):
        make_recipe(GIVEN | {"lr": 0.1} | wrong, {})


def test_missing_values_are_named() -> None:
    with pytest.raises(TrainingError, match=r"^task: expected a value, found none$"):
        make_recipe({"data": "digits"}, {"lr": 0.1})


@pytest.mark.parametrize(
    "name", ["magic", "mlp-k", "mlp-0", "mlp", "partial-1000", "linear-3", "full-", "mlp-²"]
)
def test_unknown_method(name: str) -> None:
    with pytest.raises(
        TrainingError, match=rf"^method: expected one of linear, .*, found '{name}'$"
    ):
        new_recipe(**(GIVEN | {"method": name}))


@pytest.mark.parametrize(
    ("name", "key"), [("partial-2", "partial-k"), ("mlp-12", "mlp-k"), ("vpt-deep", "vpt-deep")]
)
def test_numbers_stand_for_k(name: str, key: str) -> None:
    assert find(name) is METHODS[key]


def test_a_flag_that_the_method_does_not_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(
        TrainingError, match=r"^tokens: expected no value, which linear does not use, found 5$"
    ):
        new_recipe(**(GIVEN | {"method": "linear", "tokens": 5}))
    (tmp_path / "r.toml").write_text("tokens = 5")
    assert new_recipe(tmp_path / "r.toml", **GIVEN, method="linear").tokens == 5


def test_every_method_field_is_a_field_that_some_method_reads() -> None:
    assert Recipe.model_fields.keys() >= METHOD_FIELDS | FITTING_FIELDS
    assert not METHOD_FIELDS & FITTING_FIELDS
    assert frozenset().union(*(method.uses for method in METHODS.values())) == METHOD_FIELDS


def test_recipe_file_must_be_toml(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"^recipe: expected a file, found none at "):
        read_recipe(tmp_path / "none.toml")
    (tmp_path / "r.toml").write_text("epochs: 3")
    with pytest.raises(TrainingError, match=r"^recipe r\.toml: expected TOML, found a fault: "):
        read_recipe(tmp_path / "r.toml")


def test_every_recipe_in_the_repository_is_valid() -> None:
    folder = Path(__file__).parents[2] / "training" / "recipes"
    files = sorted(folder.glob("*.toml"))
    assert len(files) >= 6
    for file in files:
        recipe = new_recipe(file)
        assert recipe.task == file.stem
