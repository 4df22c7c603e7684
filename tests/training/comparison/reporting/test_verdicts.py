"""Statements of the paper, and where they hold."""

import pytest

from facet_vision.training.comparison.records import TrainingResult
from facet_vision.training.comparison.reporting.paper import (
    MAE,
    MOCO,
    PAIRS,
    SWIN,
    VIT,
    Paper,
    paper_on,
    statements,
)
from facet_vision.training.comparison.reporting.verdicts import CheckedStatement, check
from tests.training.support.trained import comparison, over_seeds

LEVELS = {"vpt-deep": 0.8, "full": 0.7, "linear": 0.5, "lora": 0.9}


@pytest.mark.parametrize(
    ("backbone", "paper"),
    [
        ("facet-tiny", VIT),
        ("vit_base_patch16_224.augreg_in21k", VIT),
        ("swin_base_patch4_window7_224", SWIN),
        ("vit_base_patch16_224.mae", MAE),
        ("vit_base_MoCo_v3", MOCO),
    ],
)
def test_results_are_those_on_a_similar_backbone(backbone: str, paper: Paper) -> None:
    assert paper_on(backbone) is paper


def test_means_over_all_tasks_weigh_groups_by_their_tasks() -> None:
    assert VIT.mean("vpt-deep", "Natural") == 78.48
    assert VIT.mean("vpt-deep", None) == pytest.approx(
        (5 * 89.11 + 7 * 78.48 + 4 * 82.43 + 8 * 54.98) / 24
    )
    assert sum(SWIN.groups.values()) == 19


@pytest.mark.parametrize("paper", [VIT, SWIN, MAE, MOCO])
def test_statements_agree_with_the_figures(paper: Paper) -> None:
    found = statements(paper, paper.accuracy, paper.groups)
    assert {one.better for one in found} | {one.worse for one in found} == set(paper.accuracy)
    for one in found:
        assert one.accuracies == (
            paper.mean(one.better, one.group),
            paper.mean(one.worse, one.group),
        )
        assert one.accuracies[0] > one.accuracies[1]
    assert len({(one.better, one.worse, one.group, one.wins) for one in found}) == len(found)


def test_a_statement_on_every_pair_and_on_full_group_by_group() -> None:
    found = statements(VIT, VIT.accuracy, ["Natural", "Structured", "mine"])
    assert len(found) == len(PAIRS) + 2 * 2 + 1
    assert [(one.better, one.worse, one.group, one.wins) for one in found[:4]] == [
        ("vpt-deep", "full", None, None),
        ("vpt-deep", "full", "Natural", None),
        ("vpt-deep", "full", "Structured", None),
        ("vpt-deep", "full", None, (20, 24)),
    ]
    assert ("full", "vpt-deep") in {
        (one.better, one.worse) for one in statements(VIT, VIT.accuracy, ["Specialized"])
    }


def test_methods_that_the_paper_does_not_have_are_in_no_statement() -> None:
    assert statements(VIT, ["lora", "vpt-deep", "vpt-deep-50"], VIT.groups) == []
    assert [one.better for one in statements(MAE, ["vpt-deep", "full", "linear"], [])] == ["full"]


def _cells(tasks: str = "abc", seeds: int = 3, **levels: float) -> list[TrainingResult]:
    """Return trainings of every method around its level.

    A little noise differs by method, task and seed.
    """
    cells = []
    for row, (method, level) in enumerate((LEVELS | levels).items()):
        for column, task in enumerate(tasks):
            noise = [0.001 * ((row + column * seed) % 3) for seed in range(seeds)]
            cells += over_seeds(method, task, [level + each for each in noise])
    return cells


def _verdicts(
    cells: list[TrainingResult], **others: object
) -> dict[tuple[str, str, str | None, bool], CheckedStatement]:
    found = {}
    for checked in check(comparison(cells, **others)):
        statement = checked.statement
        key = (statement.better, statement.worse, statement.group, bool(statement.wins))
        found[key] = checked
    return found


ON_MEAN = ("vpt-deep", "full", None, False)
ON_TASKS = ("vpt-deep", "full", None, True)


def test_statements_that_hold() -> None:
    found = _verdicts(_cells())
    assert {key: one.verdict for key, one in found.items()} == {
        ON_MEAN: "holds",
        ON_TASKS: "holds here",
        ("vpt-deep", "linear", None, False): "holds",
        ("full", "linear", None, False): "holds",
    }


def test_statements_that_do_not_hold() -> None:
    found = _verdicts(_cells(full=0.9))
    assert found[ON_MEAN].verdict == "does not hold"
    assert found[ON_TASKS].verdict == "does not hold here"


def test_a_wide_spread_is_undecided() -> None:
    cells = [*over_seeds("vpt-deep", "a", [0.2, 0.9]), *over_seeds("full", "a", [0.5, 0.5])]
    assert {one.verdict for one in _verdicts(cells).values()} == {"undecided"}


def test_tasks_that_differ_much_do_not_generalise() -> None:
    cells = [
        cell
        for task, level in (("a", 0.51), ("b", 0.9))
        for cell in (
            *over_seeds("vpt-deep", task, [level, level + 0.001, level]),
            *over_seeds("full", task, [0.5] * 3),
        )
    ]
    found = _verdicts(cells)[ON_MEAN]
    assert found.verdict == "holds here"
    assert not found.general


def test_one_task_does_not_generalise() -> None:
    found = _verdicts(_cells(tasks="a"))
    assert (found[ON_MEAN].verdict, found[ON_TASKS].verdict) == ("holds here", "holds here")


def test_one_seed_is_decided_over_tasks_but_wins_no_task_surely() -> None:
    found = _verdicts(_cells(seeds=1))
    assert (found[ON_MEAN].verdict, found[ON_TASKS].verdict) == ("holds", "undecided")


def test_one_task_and_seed_decide_nothing() -> None:
    assert {one.verdict for one in _verdicts(_cells(tasks="a", seeds=1)).values()} == {"undecided"}


def test_most_tasks_are_more_than_half() -> None:
    better, equal, worse = ([0.9, 0.901], [0.5, 0.5], [0.1, 0.101])

    def verdict(*accuracies: list[float]) -> str:
        tasks = [str(number) for number in range(len(accuracies))]
        cells = [
            cell
            for task, found in zip(tasks, accuracies, strict=True)
            for cell in (*over_seeds("vpt-deep", task, found), *over_seeds("full", task, equal))
        ]
        return _verdicts(cells)[ON_TASKS].verdict

    assert verdict(better, better, worse) == "holds here"
    assert verdict(better, equal) == "undecided"
    assert verdict(better, worse) == "does not hold here"


def test_groups_are_matched_by_name() -> None:
    found = _verdicts(_cells(), groups={"natural": ("a", "b"), "mine": ("c",)})
    natural = found["vpt-deep", "full", "Natural", False].difference
    assert natural is not None
    assert (natural.tasks, natural.pairs) == (2, 6)
    assert {group for _, _, group, _ in found} == {None, "Natural"}


def test_a_method_without_trainings_is_undecided() -> None:
    found = _verdicts(_cells(), methods=(*LEVELS, "vpt-shallow"))
    one = found["vpt-deep", "vpt-shallow", None, False]
    assert (one.difference, one.verdict) == (None, "undecided")
