"""Pooling of the last layer's tokens to the feature."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from facet_vision.training.errors import TrainingError


def pool(model: Any, x: Tensor, prompts: int, kind: str) -> Tensor:
    """Return features (batch, dim) of a ViT's output tokens.

    Args:
        x: all tokens behind the final norm: class and register tokens, prompts, patches.
        prompts: number of prompt tokens among them.
        kind: "backbone" for what the backbone pools without prompts; "cls"; or the mean of the
            patches ("image"), of the prompts' outputs ("prompt"), or of both, each token with the
            same weight ("all").
    """
    start = model.num_prefix_tokens
    if kind == "backbone":
        without_prompts = torch.cat((x[:, :start], x[:, start + prompts :]), dim=1)
        own: Tensor = model.forward_head(without_prompts, pre_logits=True)
        return own
    pooled: Tensor = model.fc_norm(_chosen(x, start, prompts, kind).mean(dim=1))
    return pooled


def check_pooling(model: Any, prompts: bool, kind: str) -> None:
    """Check that there is a token to pool.

    Args:
        prompts: whether prompt tokens reach the last layer's output.

    Raises:
        TrainingError: there is none.
    """
    if kind == "cls" and model.cls_token is None:
        raise TrainingError(
            "pooling: expected another than cls for a backbone without class token, found cls"
        )
    if kind == "prompt" and not prompts:
        raise TrainingError(
            "pooling: expected prompts behind the last layer for prompt, "
            "found that they are dropped"
        )


def _chosen(x: Tensor, start: int, prompts: int, kind: str) -> Tensor:
    """Return the tokens to average; register tokens are in none, the class token in "cls" alone."""
    parts = {
        "cls": slice(0, 1),
        "image": slice(start + prompts, None),
        "prompt": slice(start, start + prompts),
        "all": slice(start, None),
    }
    return x[:, parts[kind]]
