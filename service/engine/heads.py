"""Scores of all tasks of a batch, in a few calls however many tasks there are."""

from collections import defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor

from facet_vision.prompts_store import Head, Manifest

from .resident import Resident

STACKED_BYTES = 16 * 1024**2
"""Most bytes of heads that are copied side by side; larger ones are faster read in place."""

Share = tuple[Resident, Tensor]
"""A task and the features of its rows, (rows, feature_dim)."""


def scores(shares: Sequence[Share]) -> list[Tensor]:
    """Return for each share (rows, labels): probabilities, or logits if the activation is "none".

    Tasks whose heads have one shape and whose activation is the same are computed together.
    """
    alike: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for index, (resident, _) in enumerate(shares):
        alike[resident.head_key].append(index)
    found: dict[int, Tensor] = {}
    for indices in alike.values():
        found |= zip(indices, _together([shares[index] for index in indices]), strict=True)
    return [found[index] for index in range(len(shares))]


def activate(manifest: Manifest, logits: Tensor) -> Tensor:
    """Turn logits (..., labels) into the task's scores: probabilities, or the logits themselves."""
    if manifest.activation == "softmax":
        return logits.softmax(-1)
    return logits.sigmoid() if manifest.activation == "sigmoid" else logits


def _together(shares: Sequence[Share]) -> Sequence[Tensor]:
    """Return the scores of shares whose heads have one shape and whose activation is the same."""
    rows = [len(features) for _, features in shares]
    first = shares[0][0]
    # Below the limit every row gets a copy of its head, so that one product answers all rows.
    if len(shares) == 1 or sum(rows) * first.head.nbytes > STACKED_BYTES:
        return [
            activate(resident.manifest, resident.head(features)) for resident, features in shares
        ]
    heads = [
        resident.head
        for (resident, _), count in zip(shares, rows, strict=True)
        for _ in range(count)
    ]
    features = torch.cat([features for _, features in shares])
    return activate(first.manifest, _stacked(heads, features)).split(rows)


def _stacked(heads: Sequence[Head], features: Tensor) -> Tensor:
    """Return logits (rows, labels) of heads of one shape, one head for each row of features.

    Args:
        heads: one for each row.
        features: (rows, feature_dim).
    """
    x = features.unsqueeze(-1)
    for layer, pairs in enumerate(zip(*(head.layers for head in heads), strict=True)):
        weight, bias = (torch.stack(tensors) for tensors in zip(*pairs, strict=True))
        x = torch.baddbmm(bias.unsqueeze(-1), weight, x.relu() if layer else x)
    return x.squeeze(-1)
