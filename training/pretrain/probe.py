"""Linear probes of the features: how good the class token is."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.nn import functional

from .images import IMAGE_SIZE, Shapes, compose, seeded

_TRAIN_IMAGES = 1_000
_UNSEEN_SEED = 90_210  # far from the seeds of pretraining
_UNSEEN_PER_KIND = 16


def probes(vit: nn.Module) -> dict[str, float]:
    """Return held-out accuracies of a logistic regression, in [0, 1].

    On handwritten digits, and on shape classes that are not in the pretraining.
    """
    return {
        "digits": _accuracy(vit, *_digits()),
        "unseen_shapes": _accuracy(vit, *_unseen_shapes()),
    }


def _digits() -> tuple[torch.Tensor, np.ndarray]:
    digits = load_digits()
    small = torch.from_numpy(digits.images).float()[:, None] / 16
    size = (IMAGE_SIZE, IMAGE_SIZE)
    large = functional.interpolate(small, size=size, mode="bicubic", align_corners=False)
    return large.clamp(0, 1).expand(-1, 3, -1, -1), digits.target


def _unseen_shapes() -> tuple[torch.Tensor, np.ndarray]:
    shapes = Shapes.draw(_UNSEEN_PER_KIND, 8, _UNSEEN_SEED)
    scene = compose(shapes, 2 * _TRAIN_IMAGES, seeded(_UNSEEN_SEED, 1))
    return scene.images.float() / 255, scene.shape.numpy()


def _accuracy(vit: nn.Module, images: torch.Tensor, labels: np.ndarray) -> float:
    features = _features(vit, images)
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=300))
    classifier.fit(features[:_TRAIN_IMAGES], labels[:_TRAIN_IMAGES])
    return float(classifier.score(features[_TRAIN_IMAGES:], labels[_TRAIN_IMAGES:]))


@torch.inference_mode()
def _features(vit: nn.Module, images: torch.Tensor) -> np.ndarray:
    """Return class tokens (n, dim), float32."""
    vit.eval()
    parts = [vit((part - 0.5) / 0.25) for part in images.split(100)]
    features: np.ndarray = torch.cat(parts).numpy()
    return features
