"""First values of prompts from the tokens that the training images bring to each layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from facet_vision.backbone import Backbone, entering_patches
from facet_vision.training.data.images import Inputs

SAMPLE_IMAGES = 64
MATCHED_TOKENS = 8
"""Tokens whose mean a prompt of VIPAMIN begins with."""
OWN_SHARE = 0.1
"""Share of such a prompt that lies outside of what the tokens span."""
SPANNED = 0.99
"""Share of the tokens' variance that counts as spanned."""


def sampled_tokens(
    backbone: Backbone, images: Inputs, layers: int, generator: torch.Generator
) -> list[Tensor]:
    """Return the patch tokens in front of the first layers for some training images.

    Returns:
        For each layer (images x patches, layer dim), float32, on the CPU.
    """
    rows = torch.randperm(len(images), generator=generator)[:SAMPLE_IMAGES]
    batch = next(iter(images.batches([rows])))
    entering = entering_patches(backbone, batch)
    return [tokens.flatten(0, 1).float().cpu() for tokens in entering[:layers]]


def patches(prompt: Tensor, tokens: Tensor, generator: torch.Generator) -> Tensor:
    """Return randomly chosen tokens: SPT (Wang et al. 2024, arXiv 2402.02382)."""
    chosen = torch.randperm(len(tokens), generator=generator)[: len(prompt)]
    repeated = chosen.repeat(-(-len(prompt) // len(chosen)))[: len(prompt)]
    return tokens[repeated]


def vipamin(prompt: Tensor, tokens: Tensor, generator: torch.Generator) -> Tensor:
    """Return means of tokens that are alike, each with a direction that the tokens do not have.

    The idea of VIPAMIN (2025, arXiv 2510.16446): a prompt should first attend to something in the
    images, and add something new to it. A random direction chooses the tokens that agree with it
    most; a part of the random prompt outside of the tokens' principal subspace is mixed in.
    """
    centred = tokens - tokens.mean(dim=0)
    direction = torch.randn(prompt.shape, generator=generator)
    matched = (direction @ centred.T).topk(min(MATCHED_TOKENS, len(tokens)), dim=1).indices
    means = tokens[matched].mean(dim=1)
    _, values, basis = torch.linalg.svd(centred, full_matrices=False)
    energy = values.square().cumsum(0) / values.square().sum()
    spanned = basis[: int((energy < SPANNED).sum()) + 1]
    own = prompt - prompt @ spanned.T @ spanned
    own = own * (means.norm(dim=1, keepdim=True) / own.norm(dim=1, keepdim=True).clamp_min(1e-6))
    return (1 - OWN_SHARE) * means + OWN_SHARE * own


STARTS: dict[str, Callable[[Tensor, Tensor, torch.Generator], Tensor]] = {
    "patches": patches,
    "vipamin": vipamin,
}


def whitening(tokens: Tensor) -> Tensor:
    """Return a symmetric matrix W (dim, dim) by which a layer's prompts P are learned as P W.

    The idea of BPT (2025, arXiv 2506.22908): tokens differ far more in some directions than in
    others, so that equal steps in all of them are badly proportioned. W is the inverse square root
    of the tokens' covariance, scaled so that a prompt keeps its size on average.
    """
    centred = tokens - tokens.mean(dim=0)
    covariance = centred.T @ centred / len(tokens)
    values, vectors = torch.linalg.eigh(covariance)
    # directions without variance are held to those of a hundredth of the mean
    inverse = values.clamp_min(0.01 * values.mean().item()).rsqrt()
    inverse = inverse / inverse.square().mean().sqrt()
    return (vectors * inverse) @ vectors.T


def start(
    kind: str, prompts: Sequence[Tensor], tokens: Sequence[Tensor], generator: torch.Generator
) -> list[Tensor]:
    """Return the first values of all layers' prompts, of a kind in `STARTS`."""
    return [
        STARTS[kind](prompt.detach().cpu(), of_layer, generator)
        for prompt, of_layer in zip(prompts, tokens, strict=True)
    ]
