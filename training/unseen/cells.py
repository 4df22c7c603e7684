"""One cell of the study: a training without some classes, and the measures of every score."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score, roc_curve
from torch import Tensor

from facet_vision.backbone import Backbone
from facet_vision.prompts_store.confidence.keeping import LEAST_SCORES, keeping
from facet_vision.training.confidence.temperature import fit_temperature
from facet_vision.training.data.datasets import Examples
from facet_vision.training.data.images import compute_rows, prepare
from facet_vision.training.errors import TrainingError
from facet_vision.training.methods import Method, find
from facet_vision.training.recipe import Recipe
from facet_vision.training.train import fitted

from .scores import SCORES, Known, Seen, score
from .split import Split

MEASURES = ("auroc", "fpr95", "kept", "passed", "far_auroc")
"""What is measured of each score; see `run`."""


def setting(recipe: Recipe, split: Split, far: Examples, backbone: Backbone) -> dict[str, Any]:
    """Return all that decides the outcome, as JSON values."""
    return {
        "data": recipe.data,
        "known": list(split.known.labels),
        "far": len(far),
        "fingerprint": backbone.fingerprint,
        "method": recipe.method,
        "recipe": recipe.hyperparameters(find(recipe.method).reads()),
    }


def run(recipe: Recipe, split: Split, far: Examples, backbone: Backbone) -> dict[str, float]:
    """Train on the known classes and measure every score.

    The held-out images of the known classes are halved: temperature and thresholds are taken from
    one half, and everything is measured on the other, as it is with images that come later.

    Args:
        far: images of other problems altogether; may be none.

    Returns:
        `accuracy` on that other half, the `temperature`, `seconds`; and of each score
        `<score>: auroc`: area under the ROC curve, known classes against unseen ones.
        `<score>: fpr95`: share of unseen ones above the threshold that keeps 95 % of that half.
        `<score>: kept`, `passed`: shares of that half and of the unseen ones that are above the
        threshold from the first half.
        `<score>: far_auroc`: area under the ROC curve, known classes against `far`.

    Raises:
        TrainingError: the training failed, or there are too few held-out images.
    """
    start = time.monotonic()
    method = fitted(backbone, split.known, recipe).eval()
    training = _seen(method, split.known.train)
    held_out = _seen(method, split.known.test)
    targets = split.known.targets(split.known.test)
    temperature = fit_temperature(held_out.logits[0::2], targets[0::2])
    known = Known.of(training.features, split.known.targets(split.known.train), temperature)
    others = {"unseen": _seen(method, split.unseen)}
    if len(far):
        others["far"] = _seen(method, far)
    right = held_out.logits[1::2].argmax(-1) == targets[1::2]
    outcome = {"accuracy": float(right.double().mean()), "temperature": temperature}
    for name in SCORES:
        found = {other: score(name, seen, known) for other, seen in others.items()}
        measured = _measures(score(name, held_out, known), **found)
        outcome |= {f"{name}: {measure}": value for measure, value in measured.items()}
    return outcome | {"seconds": round(time.monotonic() - start, 2)}


def _seen(method: Method, examples: Examples) -> Seen:
    """Compute features and logits as a server does with the written task."""
    backbone = method.backbone
    prompts, parts = method.written_prompts(), method.written_parts()
    head = method.written_head().to()

    def features(images: Tensor) -> Tensor:
        return backbone.features(images, prompts, parts).float()

    rows = compute_rows(features, prepare(examples, backbone.preprocess))
    with torch.no_grad():
        return Seen(rows, head(rows))


def _measures(
    held_out: NDArray[np.float64],
    unseen: NDArray[np.float64],
    far: NDArray[np.float64] | None = None,
) -> dict[str, float]:
    first, second = held_out[0::2], held_out[1::2]
    most = keeping(-first)
    if most is None:
        raise TrainingError(
            f"data: expected at least {2 * LEAST_SCORES} held-out images of the known classes, "
            f"found {len(held_out)}"
        )
    found = {
        "auroc": _auroc(second, unseen),
        "fpr95": _fpr95(second, unseen),
        "kept": float((-second <= most).mean()),
        "passed": float((-unseen <= most).mean()),
    }
    return found if far is None else found | {"far_auroc": _auroc(second, far)}


def _truth(known: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.concatenate([np.ones(len(known), bool), np.zeros(len(other), bool)])


def _auroc(known: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    return float(roc_auc_score(_truth(known, other), np.concatenate([known, other])))


def _fpr95(known: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    false, true, _ = roc_curve(_truth(known, other), np.concatenate([known, other]))
    return float(false[true >= 0.95].min())
