"""Answers of all tasks of a batch, in a few calls however many tasks there are."""

from collections import defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor

from facet_vision.prompts_store import Head

from .resident import Activation, Answerer, WithDistance

STACKED_BYTES = 16 * 1024**2
"""Most bytes of heads that are copied side by side; larger ones are faster read in place."""

Share = tuple[Answerer, Tensor]
"""What answers, and the features of its rows, (rows, feature_dim)."""


def answers(shares: Sequence[Share]) -> list[Tensor]:
    """Return for each share its scores, (rows, labels), or without a head its features.

    Scores are probabilities, or logits if the activation is "none"; what answers with distances has
    them in one column more. Tasks whose heads are layers of one shape and whose activation is the
    same are computed together; heads of neighbours one by one, since each holds as many examples as
    it has.
    """
    found: dict[int, Tensor] = {}
    alike: dict[tuple[object, ...], list[tuple[int, Head]]] = defaultdict(list)
    for index, (answerer, features) in enumerate(shares):
        if answerer.head is None:
            found[index] = features
        elif isinstance(answerer.head, Head):
            key = answerer.activation, *answerer.head.shapes
            alike[key].append((index, answerer.head))
        else:
            found[index] = activate(answerer.activation, answerer.head(features))
    for members in alike.values():
        indices = [index for index, _ in members]
        activation = shares[indices[0]][0].activation
        scores = _together(activation, [(head, shares[index][1]) for index, head in members])
        found |= zip(indices, scores, strict=True)
    return [_complete(*share, found[index]) for index, share in enumerate(shares)]


def _complete(answerer: Answerer, features: Tensor, scores: Tensor) -> Tensor:
    """Append the distances to the scores, where they are asked for."""
    if not isinstance(answerer, WithDistance):
        return scores
    distance = answerer.resident.distance
    assert distance is not None, "only asked of a task that has it"
    return torch.cat([scores, distance(features)[:, None]], dim=1)


def activate(activation: Activation, logits: Tensor) -> Tensor:
    """Turn logits (..., labels) into scores: probabilities, or the logits themselves."""
    if activation == "softmax":
        return logits.softmax(-1)
    return logits.sigmoid() if activation == "sigmoid" else logits


def _together(activation: Activation, shares: Sequence[tuple[Head, Tensor]]) -> Sequence[Tensor]:
    """Return the scores that heads of one shape give, each for its features."""
    rows = [len(features) for _, features in shares]
    # Below the limit every row gets a copy of its head, so that one product answers all rows.
    if len(shares) == 1 or sum(rows) * shares[0][0].nbytes > STACKED_BYTES:
        return [activate(activation, head(features)) for head, features in shares]
    heads = [head for (head, _), count in zip(shares, rows, strict=True) for _ in range(count)]
    logits = _stacked(heads, torch.cat([features for _, features in shares]))
    return activate(activation, logits).split(rows)


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
