"""Distances, against the formula that they stand for."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from facet_vision.prompts_store import Distance


def distance(seed: int = 0, width: int = 6, classes: int = 3, count: int = 2) -> Distance:
    """A random one, fitted to nothing."""
    random = torch.Generator().manual_seed(seed)
    directions = torch.linalg.qr(torch.randn(width, count, generator=random))[0].T
    return Distance(
        directions * torch.rand(count, 1, generator=random),
        torch.randn(classes, width, generator=random),
        torch.rand(1, generator=random) + 0.1,
    )


@given(seed=st.integers(0, 1000), width=st.integers(2, 9), classes=st.integers(1, 5))
def test_it_is_the_distance_under_that_covariance(seed: int, width: int, classes: int) -> None:
    """Fitted by hand: unit vectors with variances, and one variance for all other directions."""
    random = torch.Generator().manual_seed(seed)
    count = width // 2
    units = torch.linalg.qr(torch.randn(width, width, generator=random).double())[0].T
    large = 1 + 9 * torch.rand(count, generator=random).double()
    rest = 0.5
    variances = torch.cat([large, torch.full((width - count,), rest)])
    precision = units.T @ (1 / variances).diag() @ units
    means = torch.randn(classes, width, generator=random).double()
    features = 3 * torch.randn(7, width, generator=random).double()
    share = 1 - (rest / large).sqrt()
    scale = torch.tensor([1 / (rest * width) ** 0.5])
    plain = Distance(units[:count] * share.sqrt()[:, None], means, scale.double())
    found = Distance(plain.directions, plain.whitened(means), plain.scale)(features)
    away = features[:, None] - means
    expected = (((away @ precision) * away).sum(-1) / width).sqrt().amin(-1)
    torch.testing.assert_close(found, expected)


def test_a_row_is_as_far_whatever_is_computed_with_it() -> None:
    made, features = distance(width=40, classes=30), torch.randn(100, 40)
    together = made(features)
    alone = torch.cat([made(row[None]) for row in features])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-5)


def test_its_tensors_are_those_of_a_file() -> None:
    made = distance()
    tensors = made.tensors()
    assert list(tensors) == ["distance.directions", "distance.means", "distance.scale"]
    again = Distance.of(tensors | {"head.weight": torch.zeros(1, 1)})
    assert again is not None
    assert again.tensors() == tensors
    assert Distance.of({"head.weight": torch.zeros(1, 1)}) is None
    assert made.nbytes == 4 * (2 * 6 + 3 * 6 + 1)
    assert made.to(dtype=torch.float16).nbytes == made.nbytes / 2


def test_the_nearest_class_counts() -> None:
    made = Distance(torch.zeros(1, 2), torch.tensor([[0.0, 0.0], [10.0, 0.0]]), torch.ones(1))
    found = made(torch.tensor([[0.0, 3.0], [9.0, 0.0], [5.0, 0.0]]))
    assert found.tolist() == pytest.approx([3, 1, 5])
