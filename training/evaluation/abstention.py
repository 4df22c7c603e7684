"""How a task does that may say that an image is none of its own."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Abstention:
    """What becomes of images where a task may abstain.

    Attributes:
        answered: share of the images of its labels that get one.
        accuracy: share of those that get the right one; None where none gets any.
        others: number of images that are of none of its labels.
        refused: share of these that get no label; None where there are none.
    """

    answered: float
    accuracy: float | None
    others: int
    refused: float | None


def abstention(right: Tensor, answered: Tensor, others_answered: Tensor) -> Abstention:
    """Count.

    Args:
        right: (images,) whether the best label of each image is its own.
        answered: (images,) whether it gets a label.
        others_answered: (others,) likewise images of none of the labels.
    """
    count = len(others_answered)
    return Abstention(
        answered=_share(answered),
        accuracy=_share(right[answered]) if answered.any() else None,
        others=count,
        refused=_share(~others_answered) if count else None,
    )


def _share(flags: Tensor) -> float:
    return float(flags.double().mean())
