"""Hyperparameters that are tried, and those that are chosen."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facet_vision.training.errors import TrainingError
from facet_vision.training.recipe import Recipe, make_recipe
from facet_vision.training.tuning.search import (
    PAPER_DECAYS,
    PAPER_RATES,
    Trial,
    best,
    candidates,
    chosen_values,
    final,
    grid_of,
)


def _recipe(search: str, **given: object) -> Recipe:
    return make_recipe({"data": "x", "task": "x", "lr": 0.4, "search": search} | given, {})


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_the_papers_grid_is_the_full_cross_product_with_one_rate(optimizer: str) -> None:
    found = candidates(_recipe("paper", optimizer=optimizer, head_lr=0.1))
    rates, decays = PAPER_RATES[optimizer], PAPER_DECAYS
    assert [(each.lr, each.weight_decay) for each in found] == [
        (rate, decay) for rate in rates for decay in decays
    ]
    assert {each.head_lr for each in found} == {None}
    assert {each.measure_on for each in found} == {"validation"}


def test_a_grid_over_any_fields_preserves_the_ratio_of_the_heads_rate() -> None:
    found = candidates(
        _recipe("lr=0.2,0.4 tokens=1,10", head_lr=0.1, side_weights=Path("folder/alexnet.pth"))
    )
    assert [(each.lr, each.head_lr, each.tokens) for each in found] == [
        (0.2, 0.05, 1),
        (0.2, 0.05, 10),
        (0.4, 0.1, 1),
        (0.4, 0.1, 10),
    ]
    assert {each.side_weights for each in found} == {Path("folder/alexnet.pth")}
    named = candidates(_recipe("lr=0.2 head_lr=7", head_lr=0.1))
    assert [each.head_lr for each in named] == [7.0]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "lr",
        "lr=",
        "lr=a",
        "lr=1,,2",
        "lr=1 lr=2",
        "seed=1,2",
        "method=1",
        "papers",
        "lr=1e",
        "lr=1-2",
    ],
)
def test_other_grids_are_refused(text: str) -> None:
    with pytest.raises(TrainingError, match=r"^search: expected .*, found "):
        grid_of(_recipe(text))


def test_values_out_of_range_are_refused_by_name() -> None:
    with pytest.raises(TrainingError, match=r"^lr: .* found -1"):
        candidates(_recipe("lr=1,-1"))
    with pytest.raises(TrainingError, match=r"^tokens: .* found 1.5"):
        candidates(_recipe("tokens=1.5"))


@given(
    st.lists(
        st.tuples(st.sampled_from([0.1, 0.2, 0.4]), st.sampled_from([0.5, 0.75, 1.0])), min_size=1
    )
)
def test_the_best_score_wins_and_of_equals_the_smaller_rate(
    found: list[tuple[float, float]],
) -> None:
    trials = [Trial(_recipe("lr=1", lr=lr), score) for lr, score in found]
    chosen = best(trials)
    assert chosen.score == max(score for _, score in found)
    assert chosen.recipe.lr == min(lr for lr, score in found if score == chosen.score)


def test_the_final_training_has_the_chosen_values_on_all_images() -> None:
    recipe = _recipe("lr=0.2 weight_decay=0.5", head_lr=0.1, seed=3)
    made = final(recipe, candidates(recipe)[0])
    assert made == recipe.model_copy(update={"lr": 0.2, "head_lr": 0.05, "weight_decay": 0.5})
    assert chosen_values(made) == {"lr": 0.2, "weight_decay": 0.5, "head_lr": 0.05}
