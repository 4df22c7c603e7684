"""Fast dropout."""

import pytest
import torch
from torch import nn

from facet_vision.training.methods.dropout import Dropout


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_share_dropped_and_mean_preserved(p: float, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    dropped = Dropout(p)(torch.ones(301, 333, dtype=dtype))
    assert dropped.dtype == dtype
    assert (dropped == 0).float().mean().item() == pytest.approx(p, abs=0.005)
    assert dropped.max().item() == pytest.approx(1 / (1 - p), rel=0.01)
    assert len(dropped.unique()) == 2


def test_numbers_are_dropped_independently() -> None:
    torch.manual_seed(0)
    dropped = (Dropout(0.5)(torch.ones(4096, 16)) == 0).float()
    correlations = torch.corrcoef(dropped.T) - torch.eye(16)
    assert correlations.abs().max() < 0.07


def test_gradients_pass_where_numbers_do() -> None:
    x = torch.ones(50, requires_grad=True)
    found = Dropout(0.5)(x)
    found.sum().backward()
    assert torch.equal(x.grad, found.detach())


def test_the_global_seed_decides() -> None:
    drawn = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        drawn.append(Dropout(0.5)(torch.ones(100)))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


@pytest.mark.parametrize("module", [Dropout(0.0), Dropout(0.5).eval()])
def test_nothing_is_dropped_otherwise(module: nn.Module) -> None:
    x = torch.ones(7)
    assert torch.equal(module(x), x)


def test_everything_can_be_dropped() -> None:
    assert not Dropout(1.0)(torch.ones(7)).any()
