"""How good the features are: linear probes on the class token."""

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

_TRAIN = 1_000
_UNSEEN_SEED = 90_210  # far from the seeds of pretraining
_UNSEEN_PER_KIND = 16


def probes(vit: nn.Module) -> dict[str, float]:
    """Held-out accuracy of a logistic regression on handwritten digits, and on shape classes never trained on."""
    return {
        "digits": _accuracy(vit, *_digits()),
        "unseen_shapes": _accuracy(vit, *_unseen_shapes()),
    }


def _digits() -> tuple[torch.Tensor, np.ndarray]:
    digits = load_digits()
    small = torch.from_numpy(digits.images).float()[:, None] / 16
    large = functional.interpolate(
        small, size=(IMAGE_SIZE, IMAGE_SIZE), mode="bicubic", align_corners=False
    )
    return large.clamp(0, 1).expand(-1, 3, -1, -1), digits.target


def _unseen_shapes() -> tuple[torch.Tensor, np.ndarray]:
    shapes = Shapes.draw(_UNSEEN_PER_KIND, 8, _UNSEEN_SEED)
    scene = compose(shapes, 2 * _TRAIN, seeded(_UNSEEN_SEED, 1))
    return scene.images.float() / 255, scene.shape.numpy()


def _accuracy(vit: nn.Module, images: torch.Tensor, labels: np.ndarray) -> float:
    features = _features(vit, images)
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=300))
    classifier.fit(features[:_TRAIN], labels[:_TRAIN])
    return float(classifier.score(features[_TRAIN:], labels[_TRAIN:]))


@torch.inference_mode()
def _features(vit: nn.Module, images: torch.Tensor) -> np.ndarray:
    """Class tokens (n, dim), float32."""
    vit.eval()
    features: np.ndarray = torch.cat(
        [vit((part - 0.5) / 0.25) for part in images.split(100)]
    ).numpy()
    return features
