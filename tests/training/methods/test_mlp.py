"""MLP heads."""

import pytest
import torch
from torch import nn

from facet_vision.training.data.images import InMemory
from facet_vision.training.methods.mlp import BatchNorm
from tests.training.support.methods import images, method, network, nudged


@pytest.mark.parametrize("k", [1, 2, 4])
def test_mlp_is_trained_and_written_as_k_linear_layers(k: int) -> None:
    made = method(f"mlp-{k}", network("plain"), dropout=0.3)
    made.train()
    for seed in range(3):  # move the running statistics
        made(torch.randn(20, 32, generator=torch.Generator().manual_seed(seed)) * 2 + 1)
    nudged(made).eval()
    features = torch.randn(10, 32, generator=torch.Generator().manual_seed(9))
    head = made.written_head()
    assert [tuple(weight.shape) for weight, _ in head.layers] == [(32, 32)] * (k - 1) + [(3, 32)]
    torch.testing.assert_close(head(features), made(features), atol=1e-5, rtol=1e-5)
    rates = [module.p for module in made.modules() if isinstance(module, nn.Dropout)]
    assert rates == [0.3] * (k - 1)


def test_mlp_folds_the_standardisation_too() -> None:
    made, net = method("mlp-3", network("plain")), network("plain")
    inputs = made.prepare(InMemory(images(8)))
    assert isinstance(inputs, InMemory)
    assert made.standardise(inputs.rows).std(dim=0).mean().item() == pytest.approx(1, abs=0.01)
    head = made.eval().written_head()
    torch.testing.assert_close(
        head(net.features(images(8))), made(inputs.rows), atol=1e-3, rtol=1e-3
    )


def test_mlp_starts_as_in_the_paper() -> None:
    hidden = method("mlp-2", network("plain")).head[0]
    assert [type(module) for module in hidden] == [nn.Linear, nn.ReLU, BatchNorm, nn.Dropout]
    assert hidden[0].weight.std().item() == pytest.approx((2 / 32) ** 0.5, rel=0.05)
    assert 0 < hidden[0].bias.abs().max() <= 32**-0.5
    assert hidden[3].p == 0.1


def test_a_single_row_is_normalised_by_the_running_statistics() -> None:
    norm = BatchNorm(4)
    norm(torch.randn(50, 4))
    row = torch.randn(1, 4)
    trained = norm.train()(row)
    torch.testing.assert_close(trained, norm.eval()(row))
