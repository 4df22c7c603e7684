"""Metrics on held-out images, computed as in serving."""

from __future__ import annotations

from collections.abc import Callable

import torch
from sklearn.metrics import accuracy_score, average_precision_score, f1_score
from torch import Tensor

from facet_vision.backbone import Backbone
from facet_vision.prompts_store import TaskFile
from facet_vision.training.data.images import Inputs, in_order

from .methods import Method
from .objectives import is_multi_label

BATCH_IMAGES = 64

TOLERANCE = {"accuracy": 0.0, "mean_average_precision": 0.0005}
"""By how much the first metric may fall for a task to count as equally good."""


def features_of(task: TaskFile, backbone: Backbone, images: Inputs) -> Tensor:
    """Return what the head reads of every image, (images, feature_dim) float32 on the CPU."""
    return _rows(lambda batch: backbone.features(batch, task.prompts, task.parts).float(), images)


def logits_of(task: TaskFile, features: Tensor) -> Tensor:
    """Return the logits of features, (images, labels), before any temperature."""
    return task.head.to(dtype=torch.float32)(features)


def predict(task: TaskFile, backbone: Backbone, images: Inputs) -> Tensor:
    """Return the logits of every image, (images, labels), before any temperature."""
    return logits_of(task, features_of(task, backbone, images))


def predict_live(method: Method, images: Inputs) -> Tensor:
    """Return the logits that a method in evaluation mode gives, (images, labels)."""
    return predict_prepared(method, method.prepare(images))


def predict_prepared(method: Method, inputs: Inputs) -> Tensor:
    """Return the logits of rows that the method's `prepare` gave, (rows, labels)."""
    return _rows(method, inputs)


def _rows(forward: Callable[[Tensor], Tensor], inputs: Inputs) -> Tensor:
    with torch.inference_mode():
        batches = inputs.batches(in_order(len(inputs), BATCH_IMAGES))
        return torch.cat([forward(batch).cpu() for batch in batches])


def measure(scores: Tensor, targets: Tensor, threshold: float | Tensor = 0.0) -> dict[str, float]:
    """Return metrics in [0, 1] and the number of held-out images.

    The first metric is the one by which trials and epochs are compared.

    Args:
        scores: (images, labels), logits or probabilities.
        targets: (images,) for accuracy and macro F1; (images, labels) for mean average precision,
            micro and macro F1.
        threshold: score from which on a label counts as predicted where an image has several:
            that of a probability of 0.5; or one for each label, (labels,).
    """
    if is_multi_label(targets):
        found = _multi_label(scores, targets, threshold)
    else:
        found = _one_label(scores, targets)
    return {**found, "held_out_images": float(len(targets))}


def as_good(metrics: dict[str, float], before: dict[str, float]) -> bool:
    """Return whether the first metric has not fallen by more than its tolerance."""
    first = next(iter(before))
    return metrics[first] >= before[first] - TOLERANCE[first]


def _one_label(scores: Tensor, targets: Tensor) -> dict[str, float]:
    predicted = scores.argmax(dim=1)
    return {
        "accuracy": float(accuracy_score(targets, predicted)),
        "macro_f1": float(f1_score(targets, predicted, average="macro")),
    }


def _multi_label(scores: Tensor, targets: Tensor, threshold: float | Tensor) -> dict[str, float]:
    predicted = scores >= threshold
    return {
        "mean_average_precision": _mean_average_precision(scores, targets),
        "micro_f1": float(f1_score(targets, predicted, average="micro", zero_division=0)),
        "macro_f1": float(f1_score(targets, predicted, average="macro", zero_division=0)),
    }


def _mean_average_precision(scores: Tensor, targets: Tensor) -> float:
    """Average over the labels that a held-out image has; it is undefined for any other label."""
    present = targets.any(dim=0)
    if not present.any():
        return 0.0
    return float(average_precision_score(targets[:, present], scores[:, present], average="macro"))
