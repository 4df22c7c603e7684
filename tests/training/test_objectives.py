"""Losses: a mean over the images, for any number of labels a sum over these."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from facet_vision.training.objectives import loss_of


def test_the_labels_of_an_image_add_up_and_images_are_averaged() -> None:
    logits = torch.tensor([[0.3, -2.0, 1.5], [-0.7, 0.0, 4.0]])
    targets = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    probabilities = torch.where(targets == 1, logits.sigmoid(), 1 - logits.sigmoid())
    expected = -probabilities.log().sum(dim=1).mean()
    torch.testing.assert_close(loss_of(logits, targets), expected)


@given(labels=st.integers(1, 40), images=st.integers(1, 8))
def test_a_label_learns_as_fast_beside_any_number_of_others(labels: int, images: int) -> None:
    logits = torch.zeros(images, labels, requires_grad=True)
    loss_of(logits, torch.ones(images, labels)).backward()
    assert logits.grad is not None
    torch.testing.assert_close(logits.grad, torch.full((images, labels), -0.5 / images))


@pytest.mark.parametrize("images", [1, 5])
def test_a_single_label_is_averaged_over_images_too(images: int) -> None:
    logits = torch.tensor([[2.0, 1.0, -1.0]]).expand(images, -1)
    expected = -logits[0].softmax(dim=0)[1].log()
    torch.testing.assert_close(loss_of(logits, torch.ones(images, dtype=torch.long)), expected)
