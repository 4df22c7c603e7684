"""Means over tasks and seeds, and paired differences."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facet_vision.training.comparison.records import TrainingResult
from facet_vision.training.comparison.reporting.scores import Scores
from facet_vision.training.errors import TrainingError
from tests.training.support.trained import comparison, over_seeds, trained

CELLS = [
    *over_seeds("vpt-deep", "a", [0.5, 0.7]),
    *over_seeds("vpt-deep", "b", [0.9, 0.9]),
    *over_seeds("full", "a", [0.4, 0.4]),
    *over_seeds("full", "b", [0.9, 1.0]),
    trained("linear", "a", 1, 0.2),
]
TASKS = ("a", "b")


def test_a_mean_over_tasks_and_its_spread_over_seeds() -> None:
    score = Scores(CELLS).score("vpt-deep", TASKS)
    assert score is not None
    spread = 0.005**0.5  # of 0.7 and 0.8
    assert (score.mean, score.spread, score.lacking) == pytest.approx((0.75, spread, 0))
    assert score.interval is not None
    assert (score.interval.low + score.interval.high) / 2 == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("later", "spread"),
    [([0.9, 0.9], 0.005**0.5), ([0.9], None), ([0.9, 0.9, 0.1, 0.3], 0.005**0.5)],
)
def test_only_seeds_that_have_every_task_enter_the_spread(
    later: list[float], spread: float | None
) -> None:
    cells = [*over_seeds("linear", "a", [0.5, 0.7]), *over_seeds("linear", "b", later)]
    score = Scores(cells).score("linear", TASKS)
    assert score is not None
    assert score.spread == (spread and pytest.approx(spread))  # of 0.7 and 0.8
    assert score.lacking == 0


def test_a_mean_where_tasks_are_lacking() -> None:
    scores = Scores(CELLS)
    score = scores.score("linear", TASKS)
    assert score is not None
    assert (score.mean, score.spread, score.interval, score.lacking) == (0.2, None, None, 1)
    assert scores.score("linear", ["b"]) is None
    assert scores.score("bias", TASKS) is None


def test_every_task_has_the_same_weight_for_any_number_of_seeds() -> None:
    cells = [*over_seeds("linear", "a", [0.0, 0.0, 0.0]), trained("linear", "b", 0, 1.0)]
    score = Scores(cells).score("linear", TASKS)
    assert score is not None
    assert (score.mean, score.spread, score.interval) == (0.5, None, None)


def test_differences_are_paired() -> None:
    found = Scores(CELLS).difference("vpt-deep", "full", TASKS)
    assert found is not None
    assert found.mean == pytest.approx(0.075)  # of 0.1 and 0.3, and of 0.0 and -0.1
    assert (found.won, found.lost, found.surely_won, found.surely_lost) == (1, 1, 0, 0)
    assert (found.tasks, found.pairs) == (2, 4)
    assert found.elsewhere is not None
    half = 12.7062 * 0.125  # one degree of freedom; 0.2 and -0.05
    assert found.elsewhere.high - found.mean == pytest.approx(half)
    assert found.here is not None
    assert found.sign == 0


def test_only_pairs_count() -> None:
    found = Scores(CELLS).difference("linear", "full", TASKS)
    assert found is not None
    assert (found.mean, found.here, found.elsewhere, found.sign) == (
        pytest.approx(-0.2),
        None,
        None,
        0,
    )
    assert (found.lost, found.surely_lost, found.tasks, found.pairs) == (1, 0, 1, 1)
    assert Scores(CELLS).difference("linear", "full", ["b"]) is None
    unpaired = Scores([trained("linear", seed=0), trained("full", seed=1)])
    assert unpaired.difference("linear", "full", "a") is None


def test_a_single_task_is_decided_by_its_seeds() -> None:
    cells = [
        *over_seeds("linear", "a", [0.5, 0.6, 0.7]),
        *over_seeds("full", "a", [0.2, 0.3, 0.41]),
    ]
    found = Scores(cells).difference("linear", "full", ["a"])
    assert found is not None
    assert (found.elsewhere, found.sign, found.surely_won) == (None, 1, 1)


def test_a_single_seed_is_decided_over_tasks() -> None:
    tasks = "abcd"
    cells = [
        trained(method, task, 0, level)
        for method, level in (("linear", 0.5), ("full", 0.2))
        for task in tasks
    ]
    found = Scores(cells).difference("full", "linear", tasks)
    assert found is not None
    assert (found.here, found.sign, found.surely_lost, found.lost) == (None, -1, 0, 4)


def test_rounding_is_no_win() -> None:
    cells = [*over_seeds("linear", "a", [0.3, 0.7]), *over_seeds("full", "a", [0.2, 0.8])]
    found = Scores(cells).difference("linear", "full", ["a"])
    assert found is not None
    assert (found.won, found.lost) == (0, 0)


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(*[st.integers(0, 100).map(lambda part: part / 100)] * 4), min_size=1, max_size=5
    )
)
def test_the_other_way_round_is_the_opposite(accuracies: list[tuple[float, ...]]) -> None:
    places = list(product(("linear", "full"), (0, 1)))
    tasks = [str(number) for number in range(len(accuracies))]
    cells = [
        trained(*(place[0], task, place[1]), accuracy)
        for task, found in zip(tasks, accuracies, strict=True)
        for place, accuracy in zip(places, found, strict=True)
    ]
    scores = Scores(cells)
    one = scores.difference("linear", "full", tasks)
    other = scores.difference("full", "linear", tasks)
    first, second = scores.score("linear", tasks), scores.score("full", tasks)
    assert one is not None
    assert other is not None
    assert first is not None
    assert second is not None
    assert one.mean == pytest.approx(-other.mean, abs=1e-12)
    assert one.mean == pytest.approx(first.mean - second.mean, abs=1e-12)
    assert (one.won, one.surely_won, one.sign) == (other.lost, other.surely_lost, -other.sign)
    assert one.won + one.lost <= one.tasks == len(tasks)


@pytest.mark.parametrize(
    ("cells", "groups", "fault"),
    [
        (
            [trained("linear"), trained("linear")],
            {"g": ("a",)},
            "one cell of a method, task and seed, found .* 2 times",
        ),
        ([], {"g": ("a",), "h": ("a",)}, "a task in one group, found 'a' 2 times"),
        ([trained("linear", "b")], {"g": ("a",)}, "a task of a, found 'b'"),
        ([trained("bias")], {"g": ("a",)}, "a method of linear, found 'bias'"),
        ([trained("linear", seed=7)], {"g": ("a",)}, "a seed of 0, found 7"),
    ],
)
def test_a_comparison_that_contradicts_itself(
    cells: list[TrainingResult], groups: dict, fault: str
) -> None:
    with pytest.raises(TrainingError, match=f"^comparison: expected {fault}$"):
        comparison(cells, groups=groups, methods=("linear",), seeds=(0,))
