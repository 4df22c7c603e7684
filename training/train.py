"""A training run from data to its result, as `facet train` and the reports call it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

import torch

from facet_vision.backbone import Backbone
from facet_vision.prompts_store import TaskFile
from facet_vision.training.data.augment import check_augment, training_inputs
from facet_vision.training.data.datasets import TaskData
from facet_vision.training.data.images import prepare
from facet_vision.training.fitting.loop import Checkpointer, NullCheckpointer, Step, fit, ignore
from facet_vision.training.fitting.run_folder import RunFolder
from facet_vision.training.fitting.validation import Record, Validation, best_measured
from facet_vision.training.output.checkpoints import Checkpoint
from facet_vision.training.output.writing import write

from . import methods
from .identity import identity
from .methods import Method
from .native_precision import settled
from .recipe import Recipe


def train_task(
    backbone: Backbone,
    data: TaskData,
    recipe: Recipe,
    on_step: Callable[[Step], None] = ignore,
    run: RunFolder | None = None,
) -> TaskFile | Checkpoint:
    """Train one task; with the same seed, machine and thread count it gives the same tensors.

    Args:
        run: keeps the training, which is taken up if it was begun there before.

    Returns:
        A checkpoint where the method cannot be served from the shared backbone.

    Raises:
        TrainingError: the method is unknown, the loss is no longer finite, or `run` is of another training.
    """
    method, records = _fitted(backbone, data, recipe, on_step, run)
    return write(
        method, data, method.recipe, prepare(data.test, backbone.preprocess), best_measured(records)
    )


def fitted(
    backbone: Backbone,
    data: TaskData,
    recipe: Recipe,
    on_step: Callable[[Step], None] = ignore,
    run: RunFolder | None = None,
) -> Method:
    """The recipe's method, fitted to the training part; otherwise as `train_task`."""
    return _fitted(backbone, data, recipe, on_step, run)[0]


def fit_to(
    method: Method,
    data: TaskData,
    generator: torch.Generator,
    on_step: Callable[[Step], None] = ignore,
    checkpointer: Checkpointer | None = None,
) -> list[Record]:
    """Fit a method to the training part by its own recipe, watched on the validation part if that says so."""
    recipe = method.recipe
    inputs = method.prepare(training_inputs(data.train, method.backbone.preprocess, recipe))
    validation = (
        None if recipe.patience is None or data.validation is None else Validation.of(data, method)
    )
    targets = data.targets(data.train)
    return fit(
        method,
        inputs,
        targets,
        recipe,
        generator,
        on_step,
        validation=validation,
        checkpointer=checkpointer,
    )


def _fitted(
    backbone: Backbone,
    data: TaskData,
    recipe: Recipe,
    on_step: Callable[[Step], None],
    run: RunFolder | None,
) -> tuple[Method, list[Record]]:
    check_augment(methods.find(recipe.method), recipe)
    recipe = settled(recipe, backbone)
    with (
        nullcontext(NullCheckpointer())
        if run is None
        else run.opened(identity(backbone, data, recipe)) as checkpointer
    ):
        generator = torch.Generator().manual_seed(recipe.seed)
        method = methods.find(recipe.method)(backbone, len(data.labels), recipe, generator)
        return method, fit_to(method.to(backbone.device), data, generator, on_step, checkpointer)
