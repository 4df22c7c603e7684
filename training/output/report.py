"""Report of one training run as a JSON document: how good it is, and where to look.

It is made for `facet train --report`. What is said of single images names them as their source
does.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sklearn.metrics import confusion_matrix
from torch import Tensor

from facet_vision.backbone import Backbone
from facet_vision.prompts_store import TaskFile
from facet_vision.prompts_store.metrics import ranked
from facet_vision.training.data.datasets import Examples, TaskData
from facet_vision.training.data.images import compute_rows, prepare

from .checkpoints import Checkpoint
from .doubtful import doubts
from .interval import wilson
from .trained_file import TrainedFile

MOST_IMAGES = 24
"""Single images that are named of a kind, the worst ones."""

PLACES = 4
"""Decimal places of a probability."""


def report(
    task: TaskFile | Checkpoint,
    path: Path,
    backbone: Backbone,
    data: TaskData,
    records: Sequence[dict[str, float]],
    seed: int,
) -> dict[str, Any]:
    """Return the report of a training.

    Args:
        task: what was trained.
        path: where it was written.
        backbone: it was trained on.
        data: that it was trained and measured on.
        records: of the epochs.
        seed: of the folds in which doubtful labels are looked for.

    Returns:
        The document. Where an image has several labels it says nothing of single images.
    """
    manifest = task.manifest
    document: dict[str, Any] = {
        "task": manifest.task,
        "method": manifest.method,
        "labels": list(data.labels),
        "metrics": ranked(manifest.metrics, manifest.activation),
        "held_out_images": len(data.measured),
        "curve": [_point(record) for record in records],
        "size": path.stat().st_size,
    }
    if data.multi_label:
        return document
    images = prepare(data.measured, backbone.preprocess)
    scores = TrainedFile(path, task).answers(backbone, images).logits.softmax(-1)
    return document | _measured(data, scores) | {"doubtful": _doubtful(data, backbone, seed)}


def _measured(data: TaskData, scores: Tensor) -> dict[str, Any]:
    """Say how many held-out images were right, and which were not; scores are probabilities."""
    targets, predicted = data.targets(data.measured), scores.argmax(dim=1)
    right = int((targets == predicted).sum())
    counts = confusion_matrix(targets, predicted, labels=range(len(data.labels)))
    best = scores.max(dim=1).values
    wrong = [
        {
            "image": _name(data.measured, row),
            "label": data.labels[targets[row]],
            "predicted": data.labels[predicted[row]],
            "probability": round(float(best[row]), PLACES),
        }
        for row in best.argsort(descending=True, stable=True).tolist()
        if targets[row] != predicted[row]
    ]
    return {
        "accuracy": right / len(targets),
        "interval": [round(bound, PLACES) for bound in wilson(right, len(targets))],
        "confusion": counts.tolist(),
        "wrong": wrong[:MOST_IMAGES],
    }


def _doubtful(data: TaskData, backbone: Backbone, seed: int) -> list[dict[str, Any]]:
    images = prepare(data.train, backbone.preprocess)
    features = compute_rows(lambda batch: backbone.features(batch).float(), images)
    targets = data.targets(data.train).numpy()
    return [
        {
            "image": _name(data.train, doubt.row),
            "label": data.labels[targets[doubt.row]],
            "suggested": data.labels[doubt.suggested],
            "probability": round(doubt.probability, PLACES),
        }
        for doubt in doubts(features.numpy(), targets, seed)[:MOST_IMAGES]
    ]


def _point(record: dict[str, float]) -> dict[str, float]:
    """Return an epoch of the learning curve; its score is that on a validation part."""
    score = next((value for name, value in record.items() if name.startswith("validation")), None)
    point = {"epoch": record["epoch"], "loss": record["loss"]}
    return point if score is None else point | {"score": score}


def _name(examples: Examples, row: int) -> str:
    return examples.origins[row].name if examples.origins else f"image {row + 1}"
