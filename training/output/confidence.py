"""A task file that states how far its answers can be believed, and when it gives none."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from facet_vision.prompts_store import Distance, Head, Manifest, TaskFile
from facet_vision.prompts_store.confidence.keeping import LEAST_SCORES, SHARE, keeping
from facet_vision.prompts_store.confidence.threshold import Threshold
from facet_vision.training.confidence.distance import cross_validated, fit_distance
from facet_vision.training.confidence.fitting import Confidence
from facet_vision.training.data.datasets import Examples, TaskData, take_fraction
from facet_vision.training.data.images import prepare
from facet_vision.training.methods import Method
from facet_vision.training.metrics import features_of

MOST_IMAGES = 10_000
"""Of more training images a share of each class is enough for means and variances."""


def stating(manifest: Manifest, found: Confidence) -> Manifest:
    """Return the manifest with what was fitted, its metrics behind those of the task."""
    return manifest.model_copy(
        update={
            "temperature": found.temperature,
            "class_thresholds": found.class_thresholds,
            "metrics": manifest.metrics | dict(found.metrics),
        }
    )


def with_threshold(task: TaskFile, method: Method, data: TaskData, held_out: Tensor) -> TaskFile:
    """Return the task with a distance from its classes and the largest at which it answers.

    Where few images are held out, training images are counted as well, each under a distance of the
    others, if the features were not learned from them. A task without enough images is returned as
    it is, and so is one whose images have several labels, or whose head is made of examples.

    Args:
        task: as it is stored.
        method: that made it.
        data: that it was learned from.
        held_out: features of the held-out images, (images, feature_dim).
    """
    if data.multi_label or not isinstance(task.head, Head):
        return task
    examples = _enough(data, method.recipe.seed)
    images = prepare(examples, method.backbone.preprocess)
    features, targets = features_of(task, method.backbone, images), data.targets(examples)
    distance = fit_distance(features, targets)
    if distance is None:
        return task
    distance = _stored(distance, task.head.layers[-1][0].dtype)
    distances = distance.to(dtype=torch.float32)(held_out)
    source: Literal["held-out", "cross-validation"] = "held-out"
    if len(distances) < LEAST_SCORES and method.extracts:
        distances = torch.cat([distances, cross_validated(features, targets)])
        source = "cross-validation"
    value = keeping(distances.tolist())
    if value is None:
        return task
    stated = Threshold(
        score="distance", value=value, share=SHARE, images=len(distances), source=source
    )
    manifest = task.manifest.model_copy(update={"threshold": stated})
    return replace(task, manifest=manifest, distance=distance)


def _enough(data: TaskData, seed: int) -> Examples:
    share = min(1.0, MOST_IMAGES / len(data.train))
    return data.train if share == 1 else take_fraction(data, share, seed).train


def _stored(distance: Distance, dtype: torch.dtype) -> Distance:
    """Return the distance in the dtype of the task's other tensors, if its numbers fit."""
    rounded = distance.to(dtype=dtype)
    fits = all(tensor.isfinite().all() for tensor in rounded.tensors().values())
    return rounded if fits else distance
