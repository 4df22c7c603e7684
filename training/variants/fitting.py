"""Fitting of a method as it is registered, or of a variant of it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from facet_vision.backbone import Backbone
from facet_vision.training import train
from facet_vision.training.data.datasets import TaskData
from facet_vision.training.data.images import prepare
from facet_vision.training.fitting.loop import Step, ignore
from facet_vision.training.methods import Method
from facet_vision.training.recipe import Recipe

from .depth import first_layers
from .initial import prototypes
from .method import PromptVariant, actions_of
from .variant import Variant


def fitted(
    backbone: Backbone,
    data: TaskData,
    recipe: Recipe,
    variant: Variant | None = None,
    on_step: Callable[[Step], None] = ignore,
) -> Method:
    """Return the recipe's method, or a variant of it, fitted to the training part.

    Raises:
        TrainingError: as `train.fitted`, or the variant does not fit the recipe or the backbone.
    """
    if variant is None or not variant.changes():  # the same training, on more backbones
        return train.fitted(backbone, data, recipe, on_step)
    generator = torch.Generator().manual_seed(recipe.seed)
    starts = _prototypes(variant, recipe, data, backbone)
    method = PromptVariant(backbone, len(data.labels), recipe, generator, variant, starts)
    method.to(backbone.device)
    train.fit_to(method, data, generator, on_step)
    return method


def _prototypes(
    variant: Variant, recipe: Recipe, data: TaskData, backbone: Backbone
) -> list[Tensor]:
    if not variant.needs_prototypes:
        return []
    layers = first_layers(actions_of(variant, recipe.method, len(backbone.layer_dims)))
    images = prepare(data.train, backbone.preprocess)
    targets = data.targets(data.train)
    return prototypes(backbone, images, targets, len(data.labels), variant.init, layers)
