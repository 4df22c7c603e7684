"""The average of what is learned."""

from typing import Any

import pytest
import torch

from facet_vision.training.data.images import InMemory
from facet_vision.training.fitting.average import Average
from facet_vision.training.fitting.loop import fit
from facet_vision.training.fitting.optimizer import make_optimizer
from tests.training.support.methods import images, method, network

TARGETS = torch.arange(12) % 3


def fitted(**given: Any) -> Any:
    made = method("vpt-deep", network("plain"), epochs=3, batch_size=4, lr=1.0, **given)
    generator = torch.Generator().manual_seed(0)
    fit(made, InMemory(images(12)), TARGETS, made.recipe, generator)
    return made


def test_the_average_is_what_is_kept() -> None:
    last, average, none = fitted(), fitted(ema=0.9), fitted(ema=0.0)
    assert torch.equal(last.head.weight, none.head.weight)
    assert not torch.equal(last.head.weight, average.head.weight)


def test_an_average_of_decays_that_grow() -> None:
    made = method("linear", network("plain"))
    average = Average(made, 0.5)
    with torch.no_grad():
        made.head.bias.fill_(11.0)
    average.update()  # decay 2 / 11
    with average.applied():
        assert made.head.bias[0].item() == pytest.approx(9.0)
    assert made.head.bias[0].item() == 11.0
    for _ in range(40):
        average.update()
    average.apply()
    assert made.head.bias[0].item() == pytest.approx(11.0, abs=1e-4)


def test_the_heads_decay_may_differ() -> None:
    made = method("lora", network("plain"), weight_decay=0.1, head_weight_decay=0.4)
    groups = dict(zip(made.trained(), make_optimizer(made, made.recipe).param_groups, strict=True))
    assert groups["head.weight"]["weight_decay"] == 0.4
    assert groups["head.bias"]["weight_decay"] == 0.0
    assert groups["parts.lora/0/qkv/a"]["weight_decay"] == 0.1
