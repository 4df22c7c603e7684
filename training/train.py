"""One training run, from data to its result.

`facet train` and the reports call it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

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
from .errors import TrainingError
from .identity import identity
from .methods import Instant, Method
from .precision import resolve_precision
from .recipe import Recipe


def train_task(
    backbone: Backbone,
    data: TaskData,
    recipe: Recipe,
    on_step: Callable[[Step], None] = ignore,
    run: RunFolder | None = None,
) -> TaskFile | Checkpoint:
    """Train one task.

    The same seed, machine and thread count give the same tensors.

    Args:
        on_step: called after every step.
        run: where the training is saved; a training that was begun there is resumed.

    Returns:
        A checkpoint where the method cannot be served from the shared backbone.

    Raises:
        TrainingError: the method is unknown, the loss is no longer finite, or `run` holds another
            training.
    """
    return train_recorded(backbone, data, recipe, on_step, run)[0]


def train_recorded(
    backbone: Backbone,
    data: TaskData,
    recipe: Recipe,
    on_step: Callable[[Step], None] = ignore,
    run: RunFolder | None = None,
) -> tuple[TaskFile | Checkpoint, list[Record]]:
    """Train one task as `train_task` does; return the records of all epochs as well."""
    method, records = _fitted(backbone, data, recipe, on_step, run)
    held_out = prepare(data.measured, backbone.preprocess)
    return write(method, data, method.recipe, held_out, best_measured(records)), records


def fitted(
    backbone: Backbone,
    data: TaskData,
    recipe: Recipe,
    on_step: Callable[[Step], None] = ignore,
    run: RunFolder | None = None,
) -> Method:
    """Return the recipe's method, fitted to the training part; otherwise as `train_task`."""
    return _fitted(backbone, data, recipe, on_step, run)[0]


def fit_to(
    method: Method,
    data: TaskData,
    generator: torch.Generator,
    on_step: Callable[[Step], None] = ignore,
    checkpointer: Checkpointer | None = None,
) -> list[Record]:
    """Fit a method to the training part by its own recipe.

    With `patience` in the recipe it is also measured on the validation part. A method without a
    gradient is done in one pass, of which there is no record.
    """
    recipe = method.recipe
    # training inputs first: some methods standardise the validation part by what they measure here
    inputs = method.prepare(training_inputs(data.train, method.backbone.preprocess, recipe))
    if isinstance(method, Instant):
        method.solve(inputs, data)
        return []
    targets = data.targets(data.train)
    method.begin(inputs, targets, generator)
    validation = None
    if recipe.patience is not None and data.validation is not None:
        validation = Validation.of(data, method)
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
    kind = methods.find(recipe.method)
    check_augment(recipe, extracts_features=kind.extracts)
    if issubclass(kind, Instant) and run is not None:
        raise TrainingError(
            f"run: expected none, since method {kind.name} is done in one pass, found {run.folder}"
        )
    recipe = resolve_precision(recipe, backbone)
    with _checkpointer(backbone, data, recipe, run) as checkpointer:
        generator = torch.Generator().manual_seed(recipe.seed)
        method = kind(backbone, len(data.labels), recipe, generator).to(backbone.device)
        return method, fit_to(method, data, generator, on_step, checkpointer)


def _checkpointer(
    backbone: Backbone, data: TaskData, recipe: Recipe, run: RunFolder | None
) -> AbstractContextManager[Checkpointer]:
    if run is None:
        return nullcontext(NullCheckpointer())
    return run.checkpointer(identity(backbone, data, recipe))
