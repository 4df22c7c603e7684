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
from facet_vision.prompts_store import InvalidTensors, Manifest, TaskFile
from facet_vision.training.data.datasets import TaskData
from facet_vision.training.data.images import Inputs
from facet_vision.training.methods import Method
from facet_vision.training.metrics import as_good, measure, predict, predict_live
from facet_vision.training.recipe import Recipe

from .checkpoints import Checkpoint

NO_METRICS: Mapping[str, float] = MappingProxyType({})


def write(
    method: Method,
    data: TaskData,
    recipe: Recipe,
    images: Inputs,
    validation: Mapping[str, float] = NO_METRICS,
) -> TaskFile | Checkpoint:
    """Return the task file of a trained method, or its checkpoint.

    Its metrics are those of the tensors as stored.

    Args:
        images: the preprocessed held-out images.
        validation: metrics of the fitting, stated behind those on the held-out images.
    """
    manifest = _manifest(method, data, recipe, validation)
    targets = data.targets(data.test)
    if method.served:
        exact = TaskFile(
            manifest, method.written_prompts(), method.written_head(), method.written_parts()
        )
        return choose_dtype(exact, method.backbone, images, targets)
    metrics = measure(predict_live(method, images), targets)
    return Checkpoint(_with_metrics(metrics, manifest), method.written_tensors())


def choose_dtype(exact: TaskFile, backbone: Backbone, images: Inputs, targets: Tensor) -> TaskFile:
    """Return the task in float16 if, read back, it is as good on held-out images, else as it is."""
    exact_metrics = measure(predict(exact, backbone, images), targets)
    half = _as_half(exact)
    if half is not None:
        half_metrics = measure(predict(half, backbone, images), targets)
        if as_good(half_metrics, exact_metrics):
            return with_metrics(half, half_metrics)
    return with_metrics(exact, exact_metrics)


def with_metrics(task: TaskFile, metrics: dict[str, float]) -> TaskFile:
    """Return the task with these metrics in front of those of its manifest."""
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
    prompts = method.written_prompts()
    return Manifest(
        task=recipe.task,
        method=recipe.method,
        layers=len(prompts),
        tokens=_tokens(prompts),
        head="linear" if len(method.written_head().layers) == 1 else "mlp",
        labels=data.labels,
        activation="sigmoid" if data.multi_label else "softmax",
        data=data.summary,
        recipe=recipe.hyperparameters(method.uses),
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
