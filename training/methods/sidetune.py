"""Side-tuning: a small trained network beside the frozen backbone.

Both features are mixed by a learned share (Zhang et al. 2020).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from timm.models import load_state_dict
from torch import Tensor, nn
from torchvision.models import AlexNet

from facet_vision.backbone import Backbone
from facet_vision.training.errors import TrainingError
from facet_vision.training.recipe import Recipe
from facet_vision.training.seeding import seeded

from .method import HEAD_FIELDS, Method

SIDE_WIDTH = 256 * 6 * 6
"""Numbers that AlexNet's convolutions give for an image."""

MIN_SIDE_PIXELS = 96
"""Smaller images are enlarged for the side network: AlexNet makes 2 x 2 positions of 96 pixels."""


class Sidetune(Method):
    """feature = s backbone(x) + (1 - s) P side(x), with s = sigmoid(alpha), alpha initially 0.

    The side network is AlexNet without its classifier, P a linear layer without bias.
    """

    name = "sidetune"
    served = False
    defaults: ClassVar = {"optimizer": "adamw", "lr": 0.004, "head_lr": 0.02, "weight_decay": 0.01}
    uses = HEAD_FIELDS | {"side_weights"}

    def __init__(
        self, backbone: Backbone, classes: int, recipe: Recipe, generator: torch.Generator
    ) -> None:
        super().__init__(backbone, classes, recipe, generator)
        with seeded(generator):
            self.side = side_network(recipe.side_weights)
            self.side_projection = nn.Linear(SIDE_WIDTH, backbone.feature_dim, bias=False)
        self.side_alpha = nn.Parameter(torch.zeros(()))

    def features(self, inputs: Tensor) -> Tensor:
        with torch.no_grad():
            main = self.backbone.features(inputs).float()
        share = self.side_alpha.sigmoid()
        return share * main + (1 - share) * self._side(inputs.to(main))

    def _side(self, images: Tensor) -> Tensor:
        scale = MIN_SIDE_PIXELS / min(images.shape[2:])
        if scale > 1:
            size = [round(scale * side) for side in images.shape[2:]]
            images = F.interpolate(images, size, mode="bilinear")
        pooled = F.adaptive_avg_pool2d(self.side(images), 6)
        projected: Tensor = self.side_projection(pooled.flatten(1))
        return projected


def side_network(weights: Path | None) -> nn.Sequential:
    """Return AlexNet's convolutions, random or with weights from a file in torchvision's names.

    Raises:
        TrainingError: the file does not hold such weights.
    """
    with torch.device("meta"):  # no memory for the classifier, most of AlexNet, which is not used
        side: Any = AlexNet().features
    side.to_empty(device="cpu")
    for module in side:
        if isinstance(module, nn.Conv2d):
            module.reset_parameters()
    if weights is not None:
        _load(side, weights)
    return side


def _load(side: nn.Sequential, path: Path) -> None:
    if not path.is_file():
        raise TrainingError(f"side_weights: expected a file, found none at {path}")
    try:
        state = load_state_dict(str(path), device="cpu", weights_only=True)
        prefix = "features."
        side.load_state_dict(
            {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
        )
    except Exception as error:  # damaged files raise whatever their format's reader raises
        reason = str(error).strip().partition("\n")[0]
        raise TrainingError(
            f"side_weights: expected AlexNet's weights, found {path} ({reason})"
        ) from error
