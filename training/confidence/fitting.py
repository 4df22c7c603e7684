"""What a task states of how far its answers can be believed, from its logits on held-out images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from facet_vision.training.objectives import is_multi_label

from .calibration import calibration
from .class_thresholds import choose, even, macro_f1, macro_f1_cross_fitted
from .temperature import cross_fitted, fit_temperature, negative_log_likelihood

LEAST_IMAGES = 50
"""From fewer held-out images no temperature is fitted, and no calibration error is stated."""


@dataclass(frozen=True)
class Confidence:
    """What is fitted, and how well it does on images that it was not fitted to.

    Attributes:
        temperature: None where there are too few images, or where it would not help others.
        class_thresholds: probabilities from which on labels are given; None where an image has one.
        metrics: `calibration_error`, of the probabilities that a server gives, and where there is a
            temperature `calibration_error_before`, without it; with thresholds that differ from one
            half `macro_f1_at_thresholds`.
    """

    temperature: float | None
    class_thresholds: tuple[float, ...] | None
    metrics: Mapping[str, float]


def fit(logits: Tensor, targets: Tensor) -> Confidence:
    """Fit to held-out images; what is stated of it is cross-fitted.

    Args:
        logits: (images, labels), as the head gives them.
        targets: (images,) indices, or (images, labels) zeros and ones.
    """
    temperature, metrics = _temperature(logits, targets)
    if not is_multi_label(targets):
        return Confidence(temperature, None, metrics)
    thresholds, more = _thresholds(logits / (temperature or 1), targets)
    return Confidence(temperature, thresholds, metrics | more)


def _temperature(logits: Tensor, targets: Tensor) -> tuple[float | None, dict[str, float]]:
    if len(logits) < LEAST_IMAGES:
        return None, {}
    before, divided = calibration_error(logits, targets), cross_fitted(logits, targets)
    if negative_log_likelihood(divided, targets) >= negative_log_likelihood(logits, targets):
        return None, {"calibration_error": before}
    after = calibration_error(divided, targets)
    metrics = {"calibration_error": after, "calibration_error_before": before}
    return fit_temperature(logits, targets), metrics


def _thresholds(logits: Tensor, targets: Tensor) -> tuple[tuple[float, ...], dict[str, float]]:
    probabilities, truth = logits.double().sigmoid().numpy(), targets.bool().numpy()
    thresholds = choose(probabilities, truth)
    if thresholds == even(truth):
        return thresholds, {}
    found = macro_f1_cross_fitted(probabilities, truth)
    if found < macro_f1(probabilities, truth, even(truth)):
        return even(truth), {}
    return thresholds, {"macro_f1_at_thresholds": found}


def calibration_error(logits: Tensor, targets: Tensor) -> float:
    """Return the expected calibration error of the answers, or where an image has several labels of
    the probability of every label on every image."""
    logits = logits.double()
    if is_multi_label(targets):
        probabilities = logits.sigmoid().flatten().numpy()
        return calibration(probabilities, targets.bool().flatten().numpy()).error
    best, predicted = logits.softmax(-1).max(dim=1)
    return calibration(best.numpy(), (predicted == targets).numpy()).error
