"""A training run from data to its result, as `facet train` and the reports call it."""

from __future__ import annotations

from collections.abc import Callable

import torch

from backbone import Backbone
from prompts_store import TaskFile

from . import methods
from .augment import check_augment, training_inputs
from .checkpoints import Checkpoint
from .datasets import TaskData
from .fit import Step, fit, ignore
from .images import prepare
from .methods import Method
from .recipe import Recipe
from .writing import write


def train_task(
    backbone: Backbone, data: TaskData, recipe: Recipe, on_step: Callable[[Step], None] = ignore
) -> TaskFile | Checkpoint:
    """Train one task; with the same seed, machine and thread count it gives the same tensors.

    Returns:
        A checkpoint where the method cannot be served from the shared backbone.

    Raises:
        TrainingError: the method is unknown, or the loss is no longer finite.
    """
    method = fitted(backbone, data, recipe, on_step)
    return write(method, data, recipe, prepare(data.test, backbone.preprocess))


def fitted(backbone: Backbone, data: TaskData, recipe: Recipe, on_step: Callable[[Step], None] = ignore) -> Method:
    """The recipe's method, fitted to the training part; otherwise as `train_task`."""
    check_augment(methods.find(recipe.method), recipe)
    generator = torch.Generator().manual_seed(recipe.seed)
    method = methods.find(recipe.method)(backbone, len(data.labels), recipe, generator)
    method.to(backbone.device)
    inputs = method.prepare(training_inputs(data.train, backbone.preprocess, recipe))
    fit(method, inputs, data.targets(data.train), recipe, generator, on_step)
    return method
