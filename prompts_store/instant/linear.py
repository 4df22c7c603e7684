"""Linear heads of examples: nearest class mean and linear discriminant analysis.

Both give an image x the label whose mean m_c is nearest, by the distance (x - m_c)' A^-1 (x - m_c).
Nearest class mean (Mensink et al. 2013, "Distance-Based Image Classification: Generalizing to New
Classes at Near-Zero Cost") has the identity as A; linear discriminant analysis the covariance
within labels, of all labels together, shrunk towards a multiple of the identity (Ledoit and Wolf
2004, "A Well-Conditioned Estimator for Large-Dimensional Covariance Matrices"). The part of the
squared distance that all labels share is left out, so the head is linear in x. All labels are
equally likely beforehand, however many examples they have.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self

import torch
from torch import Tensor

from facet_vision.prompts_store.head import Head

from .facts import ExampleFacts

LinearKind = Literal["ncm", "lda"]

LEAST_SHRINKAGE = 1e-3
"""Keeps the covariance invertible where there are few examples."""

LEAST_VARIANCE = 1e-9
"""Share of the whole variance below which there is none within labels."""


@dataclass(frozen=True, eq=False)
class Statistics:
    """Examples in the space in which the distance is Euclidean; all in float64.

    Attributes:
        counts: (labels,), of examples.
        targets: (examples,), the label of each.
        means: (labels, feature_dim), less the mean of all examples.
        residuals: (examples, feature_dim), of each example from its label's mean.
        weight: of the residuals' outer products in A; 0 where A does not depend on them.
        factor: lower triangular L with A = L L'; None where A is the identity.
        centre: (feature_dim,), mean of all examples, as they were given.
    """

    counts: Tensor
    targets: Tensor
    means: Tensor
    residuals: Tensor
    weight: float
    factor: Tensor | None
    centre: Tensor

    @classmethod
    def of(cls, kind: LinearKind, features: Tensor, counts: Sequence[int]) -> Self:
        """Compute them of features (examples, feature_dim), label by label."""
        number = torch.tensor(counts, dtype=torch.float64)
        targets = targets_of(counts)
        centre = features.double().mean(0)
        rows = features.double() - centre
        means, residuals = centred(rows, counts)
        if kind == "ncm" or not varies(residuals, rows):
            return cls(number, targets, means, residuals, 0.0, None, centre)
        shrinkage = ledoit_wolf(residuals)
        covariance = (1 - shrinkage) * (residuals.T @ residuals / len(rows))
        covariance.diagonal().add_(shrinkage * variance(residuals))
        factor = torch.linalg.cholesky(covariance)
        means, residuals = _whitened(factor, means), _whitened(factor, residuals)
        weight = (1 - shrinkage) / len(rows)
        return cls(number, targets, means, residuals, weight, factor, centre)

    def left_out(self, rows: Tensor) -> Tensor:
        """Return the logits of examples, (rows, labels), each by a head without itself.

        That an example is left out of its label's mean and of the covariance is a change of rank
        one, by the formula of Sherman and Morrison; the shrinkage stays what it is. An example
        that is alone in its label stays in.
        """
        own, rho = self.targets[rows], self.residuals[rows]
        number = self.counts[own]
        others = (number - 1).clamp_min(1)
        away = torch.where(number > 1, number / others, 0.0)  # from its label's mean without it
        points = rho + self.means[own]
        index = own[:, None]
        squares = torch.cdist(points, self.means).square()
        mine = rho.square().sum(1)
        squares.scatter_(1, index, (away.square() * mine)[:, None])
        inner = (rho * points).sum(1, keepdim=True) - rho @ self.means.T
        inner.scatter_(1, index, (away * mine)[:, None])
        beta = self.weight * away
        squares += (beta / (1 - beta * mine))[:, None] * inner.square()
        return -squares / 2


def linear_head(kind: LinearKind, features: Tensor, facts: ExampleFacts) -> Head:
    """Return the head in float64 on the CPU, of features (examples, feature_dim)."""
    made = Statistics.of(kind, features.detach().cpu(), facts.counts)
    means = made.means
    # Relative to the centre of all examples, which keeps the numbers small.
    bias = -means.square().sum(1) / 2
    if made.factor is not None:
        means = torch.linalg.solve_triangular(made.factor.T, means.T, upper=True).T
    weight = facts.scale * means
    return Head(((weight, facts.scale * bias - weight @ made.centre),))


def targets_of(counts: Sequence[int]) -> Tensor:
    """Return the label of each example, (examples,)."""
    return torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))


def centred(features: Tensor, counts: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Return the labels' means (labels, feature_dim) and each example's residual from its own.

    Args:
        features: (examples, feature_dim), label by label.
    """
    means = torch.stack([own.mean(0) for own in features.split(list(counts))])
    return means, features - means[targets_of(counts)]


def varies(residuals: Tensor, features: Tensor) -> bool:
    """Return whether examples vary within labels, of both (examples, feature_dim)."""
    return variance(residuals) > LEAST_VARIANCE * variance(features - features.mean(0))


def ledoit_wolf(residuals: Tensor) -> float:
    """Return the shrinkage of Ledoit and Wolf for residuals (examples, feature_dim).

    The covariance S becomes (1 - shrinkage) S + shrinkage (trace S / feature_dim) I.
    """
    count, dim = residuals.shape
    covariance = residuals.T @ residuals / count
    trace = covariance.trace()
    squares = covariance.square().sum()
    spread = residuals.square().sum(1).square().sum() / count  # mean of |x|^4
    noise = ((spread - squares) / (dim * count)).clamp_min(0)
    distance = (squares - trace.square() / dim) / dim  # of S from the multiple of I
    shrinkage = float(torch.minimum(noise, distance) / distance) if distance > 0 else 1.0
    return max(shrinkage, LEAST_SHRINKAGE)


def variance(rows: Tensor) -> float:
    """Return the mean variance of a dimension, of rows whose mean is zero."""
    return float(rows.square().mean())


def _whitened(factor: Tensor, rows: Tensor) -> Tensor:
    return torch.linalg.solve_triangular(factor, rows.T, upper=False).T
