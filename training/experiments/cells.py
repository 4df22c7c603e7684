"""One training of an experiment, with its measures."""

from __future__ import annotations

import time

from facet_vision.backbone import Backbone
from facet_vision.training.data.datasets import TaskData
from facet_vision.training.data.images import keep
from facet_vision.training.data.remarks import remarks
from facet_vision.training.identity import digest_of
from facet_vision.training.methods import Method
from facet_vision.training.recipe import Recipe
from facet_vision.training.tuning.trials import score_of
from facet_vision.training.variants.fitting import fitted
from facet_vision.training.variants.variant import Variant

from .memory import peak_memory
from .outcomes import Outcome


def trial(
    recipe: Recipe, data: TaskData, backbone: Backbone, variant: Variant | None = None
) -> Outcome:
    """Train, and measure on the validation part.

    Args:
        data: its held-out part is sealed.
        variant: None for the method as it is registered.

    Returns:
        `score`: the first of the metrics, in [0, 1].
        `seconds`: of the training, without the evaluation.
    """
    start = time.monotonic()
    method = fitted(backbone, data, recipe, variant)
    seconds = time.monotonic() - start
    return {"score": score_of(method, data), "seconds": round(seconds, 3)}


def final(
    recipe: Recipe, data: TaskData, backbone: Backbone, variant: Variant | None = None
) -> Outcome:
    """Train, and measure on the held-out part.

    Returns:
        `score`, `seconds`: as of a trial.
        `parameters`, `head_parameters`: how many numbers were trained.
        `images_per_second`: training images, each counted once in every epoch.
        `peak_bytes`: None where it cannot be measured.
        `training_images`, `held_out_images`: their numbers.
        `held_out`: a digest of the held-out images and labels.
        `remarks`: what a person should know about the data, a sentence each.
    """
    images: list[int] = []  # of each step
    if recipe.augment == "none":
        keep(data.train, backbone.preprocess)  # else the first training's time would include it
    with peak_memory(backbone.device) as peak:
        start = time.monotonic()
        method = fitted(backbone, data, recipe, variant, lambda step: images.append(step.images))
        seconds = time.monotonic() - start
    return {
        "score": score_of(method, data),
        **_sizes(method),
        "seconds": round(seconds, 3),
        # a method without steps looks at each image once
        "images_per_second": round((sum(images) or len(data.train)) / seconds, 2),
        "peak_bytes": peak.bytes,
        "training_images": len(data.train),
        "held_out_images": len(data.test),
        "held_out": digest_of(data.test),
        "remarks": list(remarks(data)),
    }


def _sizes(method: Method) -> dict[str, int]:
    sizes = {name: parameter.numel() for name, parameter in method.trained().items()}
    head = sum(size for name, size in sizes.items() if name.startswith("head."))
    return {"parameters": sum(sizes.values()), "head_parameters": head}
