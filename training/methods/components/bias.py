"""Bias tuning.

BitFit (Zaken et al. 2022) and TinyTL (Cai et al. 2020).
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from .component import Component, at_sites

SITES = ("embed", "norm1", "qkv", "proj", "norm2", "fc1", "fc2", "norm")


class Bias(Component):
    """Learns a change of the biases of every block, of the patch embedding and of the last norm.

    In a plain ViT these are all biases. A Swin has more, its tables of relative position among
    them, which a task file cannot hold; see `all_biases`.
    """

    name = "bias"
    defaults: ClassVar = {"optimizer": "adamw", "lr": 0.02, "weight_decay": 0.01}

    def parts(self) -> dict[str, Tensor]:
        def change(place: str, _: int, writes: int) -> dict[str, Tensor]:
            layer, site = place.split(".")
            if not self.backbone.has_bias(int(layer), site):
                return {}
            return {f"bias.{place}.bias": torch.zeros(writes)}

        return at_sites(self.backbone, SITES, change)
