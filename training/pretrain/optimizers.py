"""Optimizers, their schedule, and the average of the weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch

from .config import PretrainConfig
from .model import Pretraining


def optimizers(model: Pretraining, config: PretrainConfig) -> list[torch.optim.Optimizer]:
    """Make Muon for the matrices of the blocks and AdamW for everything else.

    Muon (Jordan et al. 2024) learns more per image here than AdamW alone.
    """
    matrices, decayed, others = [], [], []
    for name, parameter in model.named_parameters():
        if name.startswith("vit.blocks.") and parameter.ndim == 2:
            matrices.append(parameter)
        elif parameter.ndim >= 2 and parameter.shape[0] > 1:
            decayed.append(parameter)
        else:
            others.append(parameter)  # biases, norms, the class token and the positions
    groups = [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    muon = torch.optim.Muon(
        matrices, config.muon_rate, weight_decay=config.weight_decay, adjust_lr_fn="match_rms_adamw"
    )
    adamw = torch.optim.AdamW(groups, config.rate, betas=(0.9, 0.98), fused=True)
    for optimizer in (muon, adamw):
        for group in optimizer.param_groups:
            group["peak"] = group["lr"]  # what `set_rates` scales
    return [muon, adamw]


def set_rates(optimizers: list[torch.optim.Optimizer], step: int, config: PretrainConfig) -> None:
    """Give every group its learning rate of that step."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * schedule(step, config)


def schedule(step: int, config: PretrainConfig) -> float:
    """Return the share of the peak rate: a linear warm-up, then a cosine down to a hundredth."""
    warmup = max(1, round(config.warmup * config.steps))
    if step < warmup:
        return (step + 1) / warmup
    done = min(1.0, (step - warmup) / max(1, config.steps - warmup))
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done))


def averaging(
    config: PretrainConfig,
) -> Callable[[Sequence[torch.Tensor], Sequence[torch.Tensor], Any], None]:
    """Make the in-place update of an exponential average.

    The decay grows with the number of updates, so that the first weights are soon forgotten.
    """

    @torch.no_grad()
    def update(
        averages: Sequence[torch.Tensor], current: Sequence[torch.Tensor], updates: Any
    ) -> None:
        decay = min(config.average_decay, (1 + int(updates)) / (10 + int(updates)))
        for average, value in zip(averages, current, strict=True):
            if average.is_floating_point():
                average.lerp_(value, 1 - decay)
            else:
                average.copy_(value)  # BatchNorm's counter

    return update
