"""Optimizer and learning rate, as in the recipe of Jia et al. 2022 (arXiv 2203.12119)."""

from __future__ import annotations

import math

import torch
from torch.optim import Optimizer

from facet_vision.training.methods import Method
from facet_vision.training.recipe import Recipe

MOMENTUM = 0.9


def make_optimizer(method: Method, recipe: Recipe) -> Optimizer:
    """AdamW or SGD with momentum over what is trained; the head has its own rate."""
    added_rate, head_rate = recipe.rates
    undecayed = method.undecayed()
    groups = [
        {
            "params": [parameter],
            "lr": head_rate if name.startswith("head.") else added_rate,
            "weight_decay": 0.0 if name in undecayed else recipe.weight_decay,
        }
        for name, parameter in method.trained().items()
    ]
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(groups, momentum=MOMENTUM)
    return torch.optim.AdamW(groups)


def rate_factor(step: int, total: int, warmup: float) -> float:
    """Share of the peak learning rate: a linear rise, never from zero, then half a cosine towards zero."""
    rising = round(total * warmup)
    if step < rising:
        return (step + 1) / (rising + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, total - rising)))


def steps_per_epoch(rows: int, recipe: Recipe) -> int:
    return math.ceil(rows / recipe.batch_size)
