"""A share of the training images, the same for every class."""

from __future__ import annotations

from dataclasses import replace

import torch

from training.datasets import Examples, TaskData


def take_fraction(data: TaskData, share: float, seed: int) -> TaskData:
    """Keep `share` of each class's training images, at least one of each; all held-out images stay.

    A larger share of the same seed holds all images of a smaller one.
    """
    return data if share == 1 else replace(data, train=_part(data.train, share, seed))


def _part(examples: Examples, share: float, seed: int) -> Examples:
    order = torch.randperm(len(examples), generator=torch.Generator().manual_seed(seed)).tolist()
    by_class: dict[int, list[int]] = {}
    for index in order:
        by_class.setdefault(examples.targets[index], []).append(index)
    kept = (index for rows in by_class.values() for index in rows[: max(1, round(share * len(rows)))])
    return examples.take(sorted(kept))
