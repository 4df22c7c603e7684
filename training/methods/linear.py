"""Linear probe: a linear head on the features of the untouched backbone."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from training.images import InMemory, Inputs, in_order

from .method import Method


class Linear(Method):
    name = "linear"
    defaults: ClassVar = {"optimizer": "adamw", "lr": 0.1, "weight_decay": 0.01}
    unused = frozenset({"tokens"})

    def prepare(self, images: Inputs) -> Inputs:
        """Extract the features once: (images, feature_dim)."""
        with torch.no_grad():
            features = [
                self.backbone.features(batch).float().cpu() for batch in images.batches(in_order(len(images), 64))
            ]
        return InMemory(torch.cat(features))

    def features(self, inputs: Tensor) -> Tensor:
        return inputs.to(self.backbone.device)
