"""Numbers of the scores that a task gives labelled images."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from sklearn.metrics import (
    average_precision_score,
    confusion_matrix,
    precision_recall_fscore_support,
)
from torch import Tensor

from facet_vision.prompts_store.metrics import HELD_OUT_IMAGES, ranked
from facet_vision.training.confidence.calibration import Calibration, calibration
from facet_vision.training.confidence.class_thresholds import EVEN
from facet_vision.training.metrics import measure
from facet_vision.training.objectives import is_multi_label

from .abstention import Abstention


@dataclass(frozen=True)
class LabelResult:
    """How well one label is found.

    Attributes:
        images: that have it.
        precision: share of the images that were answered with it which have it; None for no such
            answer.
        recall: share of the images that have it which were answered with it; None for no such
            image.
        f1: harmonic mean of both; None where there is neither such an image nor such an answer.
        average_precision: of tasks with several labels on an image; None for no such image.
    """

    label: str
    images: int
    precision: float | None
    recall: float | None
    f1: float | None
    average_precision: float | None = None


@dataclass(frozen=True)
class Evaluation:
    """All numbers of one evaluation.

    Attributes:
        images: number of them.
        metrics: in [0, 1], the task's main one first.
        labels: in the task's order.
        confusion: images by their label (rows) and the answer (columns); None where an image has
            several labels.
        calibration: of the answers, or with several labels on an image of the probability of every
            label on every image; None where a task gives no probabilities.
        abstention: what the task does where it may give no label; None where it states no threshold
            for that.
    """

    images: int
    metrics: dict[str, float]
    labels: tuple[LabelResult, ...]
    confusion: tuple[tuple[int, ...], ...] | None
    calibration: Calibration | None
    abstention: Abstention | None = None

    def as_json(self) -> dict[str, Any]:
        """Return all of it for JSON, without average precision where that has no meaning."""
        document = asdict(self)
        if self.confusion is not None:
            for each in document["labels"]:
                del each["average_precision"]
        return document


def activated(logits: Tensor, activation: str) -> Tensor:
    """Turn logits (images, labels) into what a server answers with: probabilities, mostly."""
    if activation == "softmax":
        return logits.softmax(-1)
    return logits.sigmoid() if activation == "sigmoid" else logits


def evaluate(
    scores: Tensor,
    targets: Tensor,
    labels: tuple[str, ...],
    activation: str,
    class_thresholds: tuple[float, ...] | None = None,
) -> Evaluation:
    """Compare scores with the truth.

    Args:
        scores: (images, labels), as `activated` returns them.
        targets: (images,) indices, or (images, labels) zeros and ones.
        labels: of the task.
        activation: of the task: softmax, sigmoid or none.
        class_thresholds: of the task, where an image has several labels.
    """
    several = is_multi_label(targets)
    threshold = EVEN if activation == "sigmoid" else 0.0
    metrics = measure(scores, targets, threshold)
    del metrics[HELD_OUT_IMAGES]
    predicted = scores >= threshold if several else scores.argmax(dim=1)
    if several and class_thresholds is not None:
        found = measure(scores, targets, torch.tensor(class_thresholds))
        metrics |= {f"{name}_at_thresholds": found[name] for name in ("macro_f1", "micro_f1")}
    confusion = None
    if not several:
        counts = confusion_matrix(targets, predicted, labels=range(len(labels)))
        confusion = tuple(map(tuple, counts.tolist()))
    return Evaluation(
        images=len(targets),
        metrics=ranked(metrics, "sigmoid" if several else "softmax"),
        labels=_by_label(scores, targets, predicted, labels),
        confusion=confusion,
        calibration=None if activation == "none" else _calibration(scores, targets, predicted),
    )


def _by_label(
    scores: Tensor, targets: Tensor, predicted: Tensor, labels: tuple[str, ...]
) -> tuple[LabelResult, ...]:
    precision, recall, f1, images = precision_recall_fscore_support(
        targets, predicted, labels=range(len(labels)), zero_division=np.nan
    )
    average = [math.nan] * len(labels)
    if is_multi_label(targets):
        for index in torch.nonzero(targets.any(dim=0)).flatten().tolist():
            average[index] = average_precision_score(targets[:, index], scores[:, index])
    columns = zip(labels, images, precision, recall, f1, average, strict=True)
    return tuple(
        LabelResult(label, int(count), *(_defined(number) for number in numbers))
        for label, count, *numbers in columns
    )


def _defined(number: float) -> float | None:
    return None if math.isnan(number) else float(number)


def _calibration(scores: Tensor, targets: Tensor, predicted: Tensor) -> Calibration:
    if is_multi_label(targets):
        return calibration(scores.double().flatten().numpy(), targets.bool().flatten().numpy())
    best = scores.double().gather(1, predicted[:, None]).flatten()
    return calibration(best.numpy(), (predicted == targets).numpy())
