"""Which tokens of the last layer make the feature."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from facet_vision.training.errors import TrainingError


def pool(model: Any, x: Tensor, prompts: int, kind: str) -> Tensor:
    """Features (batch, dim) of a ViT's output tokens.

    Args:
        x: all tokens behind the final norm: class and register tokens, prompts, patches.
        prompts: number of prompt tokens among them.
        kind: "backbone" for what the backbone pools without prompts; "cls"; or the mean of the patches ("image"), of
            the prompts' outputs ("prompt"), or of both, each token with the same weight ("all").
    """
    start = model.num_prefix_tokens
    if kind == "backbone":
        own: Tensor = model.forward_head(
            torch.cat((x[:, :start], x[:, start + prompts :]), dim=1), pre_logits=True
        )
        return own
    pooled: Tensor = model.fc_norm(_chosen(x, start, prompts, kind).mean(dim=1))
    return pooled


def check_pooling(model: Any, prompts: int, kind: str) -> None:
    """Raise TrainingError where there is no token to pool.

    Args:
        prompts: number of prompt tokens that reach the last layer's output.
    """
    if kind == "cls" and model.cls_token is None:
        raise TrainingError(
            "pooling: expected another than cls for a backbone without class token, found cls"
        )
    if kind == "prompt" and not prompts:
        raise TrainingError(
            "pooling: expected prompts behind the last layer for prompt, found that they are dropped"
        )


def _chosen(x: Tensor, start: int, prompts: int, kind: str) -> Tensor:
    parts = {
        "cls": slice(0, 1),
        "image": slice(start + prompts, None),
        "prompt": slice(start, start + prompts),
        "all": slice(start, None),
    }
    return x[:, parts[kind]]
