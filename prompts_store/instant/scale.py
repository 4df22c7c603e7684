"""The scale of an instant task's logits, fitted to examples that are left out one by one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .facts import InstantKind
from .linear import Statistics, targets_of
from .neighbours import votes

MAX_JUDGED = 1000
"""Examples by which the scale is chosen, evenly spread over all of them."""

SIMILARITY_SCALES = tuple(2 * 2 ** (step / 2) for step in range(13))
"""Scales of similarities that are tried; 14, the inverse of the papers' temperature, is among them
as nearly as it matters."""

MARGINS = tuple(0.25 * 2 ** (step / 2) for step in range(25))
"""Scales of distances that are tried, by what becomes of the mean difference between the logit of
the true label and the best of the others."""

Logits = Callable[[float], Tensor]


@dataclass(frozen=True)
class Fit:
    """A scale, and the share of left-out examples that get their label; None if there are none."""

    scale: float
    accuracy: float | None


def fit_scale(
    kind: InstantKind, features: Tensor, counts: Sequence[int], neighbours: int | None
) -> Fit:
    """Choose the scale by the cross-entropy of examples that are left out one by one.

    The labels are smoothed as in Platt 1999, "Probabilistic Outputs for Support Vector Machines":
    n examples are evidence for a probability of at most (n + 1) / (n + 2). So a few examples that
    are easily told apart make no certainty.

    Args:
        kind: of head.
        features: (examples, feature_dim), label by label.
        counts: of the examples of each label.
        neighbours: how many vote, for nearest neighbours.
    """
    rows, alone = judged(counts)
    targets = targets_of(counts)[rows]
    if kind == "knn":
        assert neighbours is not None, "a head of neighbours says how many vote"
        logits = _of_neighbours(features, counts, rows, alone, neighbours)
        scales = SIMILARITY_SCALES
    else:
        logits = _of_distances(Statistics.of(kind, features, counts).left_out(rows))
        margin = _margin(logits(1.0), targets)
        scales = tuple(wanted / margin for wanted in MARGINS)
    losses = [_loss(logits(scale), targets) for scale in scales]
    best = scales[losses.index(min(losses))]
    found = (logits(best).argmax(1) == targets).double().mean()
    return Fit(best, None if alone else float(found))


def judged(counts: Sequence[int]) -> tuple[Tensor, bool]:
    """Return the examples to judge by, and whether each is alone in its label, so stays in."""
    number = torch.tensor(counts)
    each = number.repeat_interleave(number)
    rows = torch.arange(len(each))
    alone = not bool((each > 1).any())
    rows = rows if alone else rows[each > 1]
    if len(rows) > MAX_JUDGED:
        rows = rows[torch.linspace(0, len(rows) - 1, MAX_JUDGED).round().long()]
    return rows, alone


def _of_distances(logits: Tensor) -> Logits:
    return lambda scale: scale * logits


def _of_neighbours(
    features: Tensor, counts: Sequence[int], rows: Tensor, alone: bool, neighbours: int
) -> Logits:
    directions = F.normalize(features.float(), dim=-1)
    similarities = directions[rows] @ directions.T
    if not alone:
        similarities.scatter_(1, rows[:, None], -torch.inf)
    most = len(directions) if alone else len(directions) - 1
    nearest = similarities.topk(min(neighbours, most))
    targets = targets_of(counts)[nearest.indices]
    return lambda scale: votes(nearest.values, targets, len(counts), scale)


def _margin(logits: Tensor, targets: Tensor) -> float:
    """Return the mean difference between the true label's logit and the best of the others."""
    if logits.shape[1] == 1:
        return 1.0
    index = targets[:, None]
    own = logits.gather(1, index)
    rival = logits.scatter(1, index, -torch.inf).amax(1, keepdim=True)
    return float((own - rival).abs().mean()) or 1.0


def _loss(logits: Tensor, targets: Tensor) -> float:
    classes = logits.shape[1]
    if classes == 1:
        return 0.0
    rest = 1 / (len(targets) + 2)
    logs = logits.log_softmax(1)
    own = logs.gather(1, targets[:, None]).squeeze(1)
    others = (logs.sum(1) - own) / (classes - 1)
    return -float(((1 - rest) * own + rest * others).mean())
