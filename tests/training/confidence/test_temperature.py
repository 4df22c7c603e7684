"""Temperatures: the likeliest one is found, and it changes no order."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from facet_vision.training.confidence.temperature import (
    FOLDS,
    LEAST,
    MOST,
    cross_fitted,
    fit_temperature,
    folds,
    negative_log_likelihood,
)


def drawn(seed: int, count: int = 4000, classes: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits, and labels that are drawn by the probabilities of these."""
    random = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(count, classes, generator=random)
    return logits, torch.multinomial(logits.softmax(-1), 1, generator=random).flatten()


@pytest.mark.parametrize("temperature", [0.25, 1.0, 3.0])
def test_the_temperature_by_which_logits_were_multiplied_is_found(temperature: float) -> None:
    logits, targets = drawn(0)
    assert fit_temperature(logits * temperature, targets) == pytest.approx(temperature, rel=0.06)


@pytest.mark.parametrize("temperature", [0.5, 4.0])
def test_of_binary_answers_too(temperature: float) -> None:
    random = torch.Generator().manual_seed(1)
    logits = 2 * torch.randn(3000, 3, generator=random)
    targets = (torch.rand(3000, 3, generator=random) < logits.sigmoid()).float()
    assert fit_temperature(logits * temperature, targets) == pytest.approx(temperature, rel=0.06)


@given(seed=st.integers(0, 10_000), scale=st.floats(0.2, 5), several=st.booleans())
def test_no_temperature_is_likelier(seed: int, scale: float, several: bool) -> None:
    """Against a grid, by a likelihood that is computed in another way."""
    logits, targets = drawn(seed, 60, 3)
    logits *= scale
    truth = torch.nn.functional.one_hot(targets, 3).double()
    unknown = 1 / 61

    def loss(temperature: float) -> float:
        divided = logits.double() / temperature
        if several:
            smooth = (1 - unknown) * truth + unknown / 2
            return float(torch.nn.functional.binary_cross_entropy_with_logits(divided, smooth))
        smooth = (1 - unknown) * truth + unknown / 3
        return float(-(smooth * divided.log_softmax(-1)).sum(-1).mean())

    found = fit_temperature(logits, truth.float() if several else targets)
    grid = [LEAST * (MOST / LEAST) ** (step / 200) for step in range(201)]
    assert LEAST <= found <= MOST
    assert loss(found) <= min(map(loss, grid)) + 1e-5


def test_who_is_right_about_few_is_not_infinitely_sure() -> None:
    targets = torch.arange(20) % 2
    logits = 3 * torch.nn.functional.one_hot(targets, 2).float()
    found = fit_temperature(logits, targets)
    wrong = 1 - (logits / found).softmax(-1).amax(-1)
    assert found > LEAST
    assert wrong.tolist() == pytest.approx([0.5 / 21] * 20, rel=0.01)


def test_each_row_is_divided_by_what_was_fitted_without_it() -> None:
    logits, targets = drawn(2, 100)
    divided = cross_fitted(logits, targets)
    for rest, rows in folds(100):
        found = fit_temperature(logits[rest], targets[rest])
        torch.testing.assert_close(divided[rows], logits[rows] / found)
    assert torch.equal(divided.argsort(-1), logits.argsort(-1))


@given(st.integers(FOLDS, 300))
def test_folds_are_disjoint_and_all(count: int) -> None:
    seen = []
    for rest, rows in folds(count):
        assert sorted([*rest.tolist(), *rows.tolist()]) == list(range(count))
        seen += rows.tolist()
    assert sorted(seen) == list(range(count))


def test_likelihoods_of_both_kinds() -> None:
    even = torch.zeros(4, 2)
    assert negative_log_likelihood(even, torch.tensor([0, 1, 0, 1])) == pytest.approx(math.log(2))
    assert negative_log_likelihood(even, torch.ones(4, 2)) == pytest.approx(math.log(2))
