"""Scaling and shifting of features: SSF (Lian et al. 2022, arXiv 2210.08823)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from .bias import SITES
from .component import Component, at_sites


class SSF(Component):
    """Multiplies the outputs of every linear layer and norm by a scale and adds a shift.

    They begin with 1 and 0, so that the network is unchanged at first.
    """

    name = "ssf"
    defaults: ClassVar = {"optimizer": "adamw", "lr": 0.02, "head_lr": 0.02, "weight_decay": 0.01}

    def parts(self) -> dict[str, Tensor]:
        def change(place: str, _: int, writes: int) -> dict[str, Tensor]:
            return {
                f"ssf.{place}.scale": torch.ones(writes),
                f"ssf.{place}.shift": torch.zeros(writes),
            }

        return at_sites(self.backbone, SITES, change)
