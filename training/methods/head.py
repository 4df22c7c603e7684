"""The trained head: its input standardised, its initial values."""

from __future__ import annotations

import torch
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from torch import Tensor, nn

PROBE_STRENGTH = 0.1
"""Inverse of the L2 penalty of the linear probe that a head can begin with, on standardised
features."""

SMALL_DEVIATION = 0.01


class Standardise(nn.Module):
    """(f - mean) / scale, by what was measured on the training images.

    Linear probes of frozen networks often do so (cf. He et al. 2022, arXiv 2111.06377, appendix
    A.1): features that hardly vary would otherwise be learned too slowly, and those that are large
    saturate the first steps. It is folded into the written head.

    Attributes:
        mean, scale: (feature_dim,); 0 and 1 until something is measured.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))
        self.mean: Tensor
        self.scale: Tensor

    def measure(self, features: Tensor) -> None:
        """Take mean and standard deviation of features (images, feature_dim)."""
        self.mean = features.mean(dim=0).to(self.mean.device)
        deviation = features.std(dim=0).to(self.scale.device)
        # the variation of an almost constant feature is noise, which must not be amplified
        self.scale = deviation.clamp_min(0.01 * deviation.mean().item() + 1e-6)

    def forward(self, features: Tensor) -> Tensor:
        standardised: Tensor = (features - self.mean) / self.scale
        return standardised

    def folded(self, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """Return the linear layer on raw features that equals this one on standardised ones."""
        mean, scale = self.mean.float().cpu(), self.scale.float().cpu()
        weight = weight / scale
        return weight, bias - weight @ mean


def linear_head(
    features: int, classes: int, generator: torch.Generator, start: str = "paper"
) -> nn.Linear:
    """Create a linear head with zero biases.

    Args:
        start: of the weights. "paper" is Kaiming-normal (fan out, gain sqrt 2), as Jia et al. 2022
            have it; "small" is normal with a deviation of 0.01; "zero", and "probe" until
            `set_to_probe` is called, are zero.
    """
    head = nn.Linear(features, classes)
    deviation = {"paper": (2 / classes) ** 0.5, "small": SMALL_DEVIATION}.get(start)
    if deviation is None:
        nn.init.zeros_(head.weight)
    else:
        nn.init.normal_(head.weight, std=deviation, generator=generator)
    nn.init.zeros_(head.bias)
    return head


def set_to_probe(head: nn.Module, features: Tensor, targets: Tensor) -> None:
    """Give a linear head the weights of a logistic regression.

    Args:
        features: (images, feature_dim), as the head reads them.
        targets: (images,) label indices, or (images, labels) zeros and ones. A label of which the
            images have none, or nothing else, keeps its zeros.
    """
    several = targets.ndim == 2
    probe = LogisticRegression(C=PROBE_STRENGTH, max_iter=500)
    if several:
        known = ((targets.sum(0) > 0) & (targets.sum(0) < len(targets))).nonzero().flatten()
        fitted = OneVsRestClassifier(probe).fit(features.numpy(), targets[:, known].numpy())
        pairs = [(each.coef_[0], each.intercept_[0]) for each in fitted.estimators_]
    else:
        fitted = probe.fit(features.numpy(), targets.numpy())
        known = torch.as_tensor(fitted.classes_)
        pairs = list(zip(*_per_class(fitted), strict=True))
    with torch.no_grad():
        for row, (weight, bias) in zip(known.tolist(), pairs, strict=True):
            head.get_parameter("weight")[row] = torch.as_tensor(weight)
            head.get_parameter("bias")[row] = float(bias)


def _per_class(fitted: LogisticRegression) -> tuple[list[Tensor], list[float]]:
    """Return a weight and a bias for each class; for two, scikit-learn has only the second's."""
    weights, biases = torch.as_tensor(fitted.coef_), torch.as_tensor(fitted.intercept_)
    if len(weights) == 1:
        weights, biases = (
            torch.cat((-weights / 2, weights / 2)),
            torch.cat((-biases / 2, biases / 2)),
        )
    return list(weights), biases.tolist()
