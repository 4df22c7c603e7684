"""Sizes, against those of the paper's Table 1, time and memory."""

import pytest

from facet_vision.training.comparison.reporting.totals import Cost, cost, served, size
from tests.training.support.trained import comparison, over_seeds, trained

VIT_B, SWIN_B = 85_798_656, 86_743_224


def _total(
    method: str, beside_head: int, tasks: int, classes: int, width: int, backbone: int
) -> float:
    """Return the stored numbers of `tasks` tasks that have `classes` classes together."""
    shares = [classes // tasks + (number < classes % tasks) for number in range(tasks)]
    heads = [share * (width + 1) for share in shares]
    cells = [
        trained(method, str(number), seed, parameters=beside_head + head, head_parameters=head)
        for number, head in enumerate(heads)
        for seed in (0, 1)
    ]
    found = size(comparison(cells, backbone_parameters=backbone), method)
    assert found is not None
    assert found.tuned == pytest.approx(beside_head + sum(heads) / tasks)
    assert found.total is not None
    return found.total


@pytest.mark.parametrize(
    ("method", "beside_head", "total"),
    [
        ("full", VIT_B, 24.02),
        ("linear", 0, 1.02),
        ("partial-1", 7_089_408, 3.00),
        ("mlp-3", 1_184_256, 1.35),
        ("sidetune", 9_547_585, 3.69),
        ("bias", 102_912, 1.05),
        ("vpt-deep", 9_216 * 62, 1.18),
        ("vpt-shallow", 768 * 98, 1.04),
    ],
)
def test_totals_of_the_paper_on_vit(method: str, beside_head: int, total: float) -> None:
    assert round(_total(method, beside_head, 24, 2113, 768, VIT_B), 2) == total


@pytest.mark.parametrize(
    ("method", "beside_head", "total"), [("full", SWIN_B, 19.01), ("linear", 0, 1.01)]
)
def test_totals_of_the_paper_on_swin(method: str, beside_head: int, total: float) -> None:
    assert round(_total(method, beside_head, 19, 940, 1024, SWIN_B), 2) == total


def test_a_side_network_larger_than_the_backbone_still_shares_it() -> None:
    found = size(comparison([trained("sidetune", parameters=5000)]), "sidetune")
    assert found is not None
    assert found.total == 6.0


def test_no_total_while_a_task_is_lacking() -> None:
    cells = [trained("linear", "a", parameters=30), trained("full", "a"), trained("full", "b")]
    found = size(comparison(cells), "linear")
    assert found is not None
    assert (found.tuned, found.total) == (30, None)
    assert size(comparison(cells, methods=("linear", "full", "bias")), "bias") is None


def test_costs_are_medians_and_relative_to_full_on_the_same_task_and_seed() -> None:
    cells = [
        *(
            trained("linear", "a", seed, seconds=seconds)
            for seed, seconds in enumerate((1.0, 2.0, 9.0))
        ),
        trained("linear", "b", 0, seconds=100.0, images_per_second=70.0, peak_bytes=3 * 2**20),
        trained("full", "a", 0, seconds=10.0, peak_bytes=2**22),
        trained("full", "a", 1, seconds=4.0, peak_bytes=2**21),
    ]
    assert cost(comparison(cells), "linear") == Cost(
        5.5, 50.0, 2**20, pytest.approx(0.3), pytest.approx(0.375)
    )


def test_costs_without_full() -> None:
    found = cost(comparison([trained("linear")]), "linear")
    assert found == Cost(2.0, 50.0, 2**20, None, None)
    assert cost(comparison([trained("linear")]), "full") is None
    nothing_measured = [trained("linear"), trained("full", peak_bytes=0)]
    assert cost(comparison(nothing_measured), "linear") == Cost(2.0, 50.0, 2**20, 1.0, None)


def test_served_is_read_from_the_trainings() -> None:
    found = comparison(
        [*over_seeds("mlp-3", "a", [0.5], served=True), trained("full", served=False)]
    )
    assert served(found, "mlp-3")
    assert not served(found, "full")
    assert not served(found, "bias")
