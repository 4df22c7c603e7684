"""Written result of a trained method: manifest, measured metrics, storage dtype."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from facet_vision.backbone import Backbone
from facet_vision.prompts_store import InstantHead, InvalidTensors, Manifest, TaskFile
from facet_vision.training.confidence.fitting import fit
from facet_vision.training.data.datasets import TaskData
from facet_vision.training.data.images import Inputs
from facet_vision.training.methods import Method
from facet_vision.training.metrics import as_good, features_of, logits_of, measure, predict_live
from facet_vision.training.recipe import Recipe

from .checkpoints import Checkpoint
from .confidence import stating, with_threshold

NO_METRICS: Mapping[str, float] = MappingProxyType({})


def write(
    method: Method,
    data: TaskData,
    recipe: Recipe,
    images: Inputs,
    validation: Mapping[str, float] = NO_METRICS,
) -> TaskFile | Checkpoint:
    """Return the task file of a trained method, or its checkpoint.

    Its metrics are those of the tensors as stored, and what it states of its confidence is fitted
    to these.

    Args:
        images: the preprocessed images of the data's `measured` part.
        validation: metrics of the fitting, stated behind those on the held-out images.
    """
    manifest = _manifest(method, data, recipe, validation)
    targets = data.targets(data.measured)
    if method.served:
        exact = TaskFile(
            manifest, method.written_prompts(), method.written_head(), method.written_parts()
        )
        task, features = choose_dtype(exact, method.backbone, images, targets)
        if isinstance(task.head, InstantHead):
            # its scale was fitted to its examples
            stated = task.manifest.model_copy(update={"threshold": task.head.threshold()})
            return replace(task, manifest=stated)
        stated = stating(task.manifest, fit(logits_of(task, features), targets))
        return with_threshold(replace(task, manifest=stated), method, data, features)
    logits = predict_live(method, images)
    manifest = _with_metrics(measure(logits, targets), manifest)
    return Checkpoint(stating(manifest, fit(logits, targets)), method.written_tensors())


def choose_dtype(
    exact: TaskFile, backbone: Backbone, images: Inputs, targets: Tensor
) -> tuple[TaskFile, Tensor]:
    """Return the task in float16 if, read back, it is as good on held-out images, else as it is.

    Returns:
        The task with its metrics, and what its head reads of the images, (images, feature_dim).
    """
    features = features_of(exact, backbone, images)
    metrics = measure(logits_of(exact, features), targets)
    half = _as_half(exact)
    if half is not None:
        half_features = features_of(half, backbone, images)
        half_metrics = measure(logits_of(half, half_features), targets)
        if as_good(half_metrics, metrics):
            return _measured(half, half_metrics), half_features
    return _measured(exact, metrics), features


def _measured(task: TaskFile, metrics: dict[str, float]) -> TaskFile:
    return replace(task, manifest=_with_metrics(metrics, task.manifest))


def _with_metrics(metrics: dict[str, float], manifest: Manifest) -> Manifest:
    return manifest.model_copy(update={"metrics": metrics | manifest.metrics})


def _as_half(task: TaskFile) -> TaskFile | None:
    """Return the task read back from float16 bytes, None where a value is too large for it."""
    try:
        return TaskFile.from_bytes(task.to_bytes(torch.float16))
    except InvalidTensors:
        return None


def _manifest(
    method: Method, data: TaskData, recipe: Recipe, metrics: Mapping[str, float]
) -> Manifest:
    prompts, head = method.written_prompts(), method.written_head()
    return Manifest(
        task=recipe.task,
        method=recipe.method,
        layers=len(prompts),
        tokens=_tokens(prompts),
        head=head.kind,
        examples=head.facts if isinstance(head, InstantHead) else None,
        labels=data.labels,
        activation="sigmoid" if data.multi_label else "softmax",
        data=data.summary,
        recipe=recipe.hyperparameters(method.reads()),
        metrics=dict(metrics),
        created=datetime.now(UTC),
        description=recipe.description,
        **backbone_facts(method.backbone),
    )


def _tokens(prompts: tuple[Tensor, ...]) -> int:
    return len(prompts[0]) if prompts else 0


def backbone_facts(backbone: Backbone) -> dict[str, Any]:
    """Return what a manifest states of the backbone."""
    names = ("fingerprint", "identity", "pooling", "input_size", "mean", "std")
    return {"backbone": backbone.name, **{name: getattr(backbone, name) for name in names}}
