"""Learned keys and values: prefix tuning (Li and Liang 2021, arXiv 2101.00190)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from facet_vision.training.errors import TrainingError
from facet_vision.training.recipe import Recipe

from .component import Component, at_sites

KEY_DEVIATION = 0.02


class LearnedKeys(Component):
    """Keys and values in front of every layer's own.

    A prompt's are confined to what LayerNorm and W_kv make of it; these are free. Values begin with
    zero, so that at first a layer only gives some of its attention to nothing.
    """

    name = "prefix"
    defaults: ClassVar = {
        "optimizer": "adamw",
        "tokens": 10,
        "lr": 0.2,
        "head_lr": 0.08,
        "weight_decay": 0.01,
    }
    uses = frozenset({"tokens"})

    @classmethod
    def check(cls, recipe: Recipe) -> None:
        if recipe.tokens < 1:
            raise TrainingError(
                f"tokens: expected at least 1 for {cls.name}, found {recipe.tokens}"
            )

    def parts(self) -> dict[str, Tensor]:
        def pair(place: str, dim: int, _: int) -> dict[str, Tensor]:
            tokens = self.recipe.tokens
            key = torch.empty(tokens, dim).normal_(std=KEY_DEVIATION, generator=self.generator)
            return {
                f"prefix.{place}.key": key,
                f"prefix.{place}.value": torch.zeros(tokens, dim),
            }

        return at_sites(self.backbone, ["block"], pair)
