"""One training of a comparison, with its measures."""

from __future__ import annotations

import time
from typing import Any

from facet_vision.backbone import Backbone
from facet_vision.training.load_cache import LoadCache
from facet_vision.training.methods import Method, find
from facet_vision.training.recipe import Recipe
from facet_vision.training.train import fitted
from facet_vision.training.tuning.search import chosen_values
from facet_vision.training.tuning.trials import score_of

from .memory import peak_memory
from .records import TrainingResult

Outcome = dict[str, Any]
"""Measures of a training as JSON values; `train` lists them."""


def setting(recipe: Recipe, about: str, backbone: Backbone) -> dict[str, Any]:
    """Return all that decides the outcome, as JSON values.

    Two trainings with equal settings are the same training.

    Args:
        about: describes the contents of the source.
    """
    hyperparameters = recipe.hyperparameters(find(recipe.method).reads())
    hyperparameters.pop("search", None)  # the way values were chosen does not change the result
    return {
        "data": recipe.data,
        "about": about,
        "backbone": backbone.name,
        "fingerprint": backbone.fingerprint,
        "method": recipe.method,
        "recipe": hyperparameters,
    }


def train(recipe: Recipe, cache: LoadCache) -> Outcome:
    """Train, and measure on the part that the recipe names in `measure_on`.

    Returns:
        `score`: the first of the metrics, in [0, 1].
        `parameters`, `head_parameters`: how many numbers were trained.
        `seconds`: of the training, without the evaluation.
        `images_per_second`: training images, each counted once in every epoch.
        `peak_bytes`: None where it cannot be measured.
        `training_images`: their number.
    """
    backbone = cache.backbone(recipe)
    data = cache.data(recipe)
    images: list[int] = []  # of each step
    with peak_memory(backbone.device) as peak:
        start = time.monotonic()
        method = fitted(backbone, data, recipe, lambda step: images.append(step.images))
        seconds = time.monotonic() - start
    return {
        "score": score_of(method, data),
        **_sizes(method),
        "seconds": round(seconds, 3),
        # a method without steps looks at each image once
        "images_per_second": round((sum(images) or len(data.train)) / seconds, 2),
        "peak_bytes": peak.bytes,
        "training_images": len(data.train),
    }


def record(recipe: Recipe, validation: float | None, outcome: Outcome) -> TrainingResult:
    """Make the record of a final training."""
    return TrainingResult(
        method=recipe.method,
        task=recipe.data,
        seed=recipe.seed,
        accuracy=outcome["score"],
        validation=validation,
        parameters=outcome["parameters"],
        head_parameters=outcome["head_parameters"],
        seconds=outcome["seconds"],
        images_per_second=outcome["images_per_second"],
        peak_bytes=outcome["peak_bytes"] or 0,
        chosen={} if recipe.search is None else chosen_values(recipe),
        training_images=outcome["training_images"],
        served=find(recipe.method).served,
    )


def _sizes(method: Method) -> dict[str, int]:
    sizes = {name: parameter.numel() for name, parameter in method.trained().items()}
    head = sum(size for name, size in sizes.items() if name.startswith("head."))
    return {"parameters": sum(sizes.values()), "head_parameters": head}
