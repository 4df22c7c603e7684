"""Optimizer of the recipe of Jia et al. 2022 (arXiv 2203.12119)."""

from __future__ import annotations

import torch
from torch.optim import Optimizer

from facet_vision.training.methods import Method
from facet_vision.training.recipe import Recipe

MOMENTUM = 0.9


def make_optimizer(method: Method, recipe: Recipe) -> Optimizer:
    """Return AdamW or SGD with momentum over the trained parameters.

    The head has its own learning rate and weight decay. Each parameter is a group of its own, in
    the order of `method.trained()`.
    """
    added_rate, head_rate = recipe.rates
    undecayed = method.undecayed()
    groups = []
    for name, parameter in method.trained().items():
        of_head = name.startswith("head.")
        rate = head_rate if of_head else added_rate * method.rate(name)
        decay = recipe.weight_decay
        if of_head and recipe.head_weight_decay is not None:
            decay = recipe.head_weight_decay
        decay = 0.0 if name in undecayed else decay
        groups.append({"params": [parameter], "lr": rate, "weight_decay": decay})
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(groups, momentum=MOMENTUM)
    return torch.optim.AdamW(groups, fused=True)  # in half of the time
