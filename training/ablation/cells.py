"""One cell of a study: a training and its held-out accuracy."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from facet_vision.backbone import Backbone
from facet_vision.prompts_store import TaskFile
from facet_vision.training.data.datasets import TaskData
from facet_vision.training.data.images import prepare
from facet_vision.training.methods import find
from facet_vision.training.metrics import measure, predict_live
from facet_vision.training.recipe import Recipe
from facet_vision.training.train import fit_to, train_task

from .depth import first_layers
from .initial import prototypes
from .method import PromptVariant, actions_of
from .studies import Point
from .variant import Variant


def setting(point: Point, recipe: Recipe, data: TaskData, backbone: Backbone) -> dict[str, Any]:
    """Return all that decides the outcome, as JSON values.

    Two cells with equal settings are the same training.
    """
    return {
        "data": recipe.data,
        "about": data.summary,
        "backbone": backbone.name,
        "fingerprint": backbone.fingerprint,
        "method": point.method,
        "variant": None if point.variant is None else point.variant.changes(),
        "recipe": recipe.hyperparameters(find(point.method).reads()),
    }


def run(point: Point, recipe: Recipe, data: TaskData, backbone: Backbone) -> dict[str, float]:
    """Train and measure.

    Returns:
        `accuracy`, `macro_f1`, `held_out_images`: on the held-out images.
        `parameters`: how many numbers were trained, the head's included.
        `training_images`: their number.
        `seconds`: of training and evaluation together.
    """
    start = time.monotonic()
    if point.variant is None:
        outcome = _registered(recipe, data, backbone)
    else:
        outcome = _variant(point.variant, recipe, data, backbone)
    return {
        **outcome,
        "training_images": len(data.train),
        "seconds": round(time.monotonic() - start, 2),
    }


def _registered(recipe: Recipe, data: TaskData, backbone: Backbone) -> dict[str, float]:
    """Run a method as `facet train` does."""
    trained = train_task(backbone, data, recipe)
    if isinstance(trained, TaskFile):
        distance = trained.distance.tensors() if trained.distance else {}
        tensors = [each for name, each in trained.tensors().items() if name not in distance]
    else:
        tensors = list(trained.tensors.values())
    return {**trained.manifest.metrics, "parameters": _count(tensors)}


def _variant(
    variant: Variant, recipe: Recipe, data: TaskData, backbone: Backbone
) -> dict[str, float]:
    """Run a variant; no task file is made of it."""
    generator = torch.Generator().manual_seed(recipe.seed)
    starts = _prototypes(variant, recipe, data, backbone)
    method = PromptVariant(backbone, len(data.labels), recipe, generator, variant, starts)
    method.to(backbone.device)
    fit_to(method, data, generator)
    logits = predict_live(method, prepare(data.test, backbone.preprocess))
    metrics = measure(logits, data.targets(data.test))
    return {**metrics, "parameters": _count(list(method.trained().values()))}


def _prototypes(
    variant: Variant, recipe: Recipe, data: TaskData, backbone: Backbone
) -> list[Tensor]:
    if not variant.needs_prototypes:
        return []
    layers = first_layers(actions_of(variant, recipe.method, len(backbone.layer_dims)))
    images = prepare(data.train, backbone.preprocess)
    targets = data.targets(data.train)
    return prototypes(backbone, images, targets, len(data.labels), variant.init, layers)


def _count(tensors: Sequence[Tensor]) -> int:
    return sum(tensor.numel() for tensor in tensors)
