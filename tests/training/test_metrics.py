"""Losses and metrics of single labels and of multi-label targets."""

import pytest
import torch
import torch.nn.functional as F

from facet_vision.training.metrics import as_good, measure
from facet_vision.training.objectives import loss_of


def test_one_label() -> None:
    logits = torch.tensor([[2.0, 1.0], [0.0, 1.0], [3.0, 1.0], [0.0, 5.0]])
    targets = torch.tensor([0, 1, 1, 1])
    assert measure(logits, targets) == pytest.approx(
        {"accuracy": 0.75, "macro_f1": (2 / 3 + 0.8) / 2, "held_out_images": 4}
    )
    assert loss_of(logits, targets) == F.cross_entropy(logits, targets)


def test_any_number_of_labels() -> None:
    logits = torch.tensor([[2.0, -1.0, -9.0], [1.0, 3.0, -9.0], [-1.0, -2.0, 9.0]])
    targets = torch.tensor([[1.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    found = measure(logits, targets)
    assert list(found) == ["mean_average_precision", "micro_f1", "macro_f1", "held_out_images"]
    # both labels that occur are in the right order
    assert found["mean_average_precision"] == pytest.approx(1.0)
    assert found["micro_f1"] == pytest.approx(4 / 7)  # two right of four predicted, three expected
    assert found["macro_f1"] == pytest.approx((2 / 3 + 2 / 3 + 0) / 3)
    expected = F.binary_cross_entropy_with_logits(logits, targets) * 3
    torch.testing.assert_close(loss_of(logits, targets), expected)


def test_average_precision_of_a_wrong_order() -> None:
    logits, targets = torch.tensor([[1.0], [2.0]]), torch.tensor([[1.0], [0.0]])
    assert measure(logits, targets)["mean_average_precision"] == pytest.approx(0.5)


def test_no_label_at_all() -> None:
    assert measure(torch.zeros(2, 2) - 1, torch.zeros(2, 2))["mean_average_precision"] == 0


@pytest.mark.parametrize(
    ("name", "value", "good"),
    [
        ("accuracy", 0.9, True),
        ("accuracy", 0.8999, False),
        ("mean_average_precision", 0.8999, True),
    ],
)
def test_as_good_as_before(name: str, value: float, good: bool) -> None:
    assert as_good({name: value, "macro_f1": 0.0}, {name: 0.9, "macro_f1": 1.0}) is good
