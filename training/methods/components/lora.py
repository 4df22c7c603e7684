"""Low-rank adaptation of linear layers.

LoRA (Hu et al. 2022, arXiv 2106.09685).
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from .component import Component, at_sites


class LoRA(Component):
    """Adds (alpha / rank) B A to the weight of linear layers of every block.

    A is (rank, in) and begins with Kaiming-uniform values, B is (out, rank) and begins with zero,
    so that the network is unchanged at first.
    """

    name = "lora"
    defaults: ClassVar = {"optimizer": "adamw", "lr": 0.03, "head_lr": 0.02, "weight_decay": 0.01}
    uses = frozenset({"rank", "alpha", "lora_targets"})

    def parts(self) -> dict[str, Tensor]:
        def pair(place: str, reads: int, writes: int) -> dict[str, Tensor]:
            a = torch.empty(self.recipe.rank, reads)
            nn.init.kaiming_uniform_(a, a=5**0.5, generator=self.generator)
            return {f"lora.{place}.a": a, f"lora.{place}.b": torch.zeros(writes, self.recipe.rank)}

        return at_sites(self.backbone, self.recipe.lora_targets.split("+"), pair)

    def factors(self) -> dict[str, float]:
        return {"b": self.recipe.alpha / self.recipe.rank}
