"""Prompt variants to test, and a forward written out token by token."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from facet_vision.backbone import Backbone
from facet_vision.training.recipe import make_recipe
from facet_vision.training.variants.locations import Prepend
from facet_vision.training.variants.method import PromptVariant
from facet_vision.training.variants.variant import make_variant

TOKENS = 3


def made(
    net: Backbone, method: str = "vpt-deep", tokens: int = TOKENS, **switches: Any
) -> PromptVariant:
    recipe = make_recipe(
        {"data": "x", "task": "x", "method": method, "tokens": tokens, "lr": 0.1}, {}
    )
    generator = torch.Generator().manual_seed(0)
    return PromptVariant(net, 3, recipe, generator, make_variant(**switches)).eval()


def at(location: str, net: Backbone, **switches: Any) -> PromptVariant:
    return made(net, "vpt-shallow", location=location, **switches)


def prompts(variant: PromptVariant) -> list[Tensor]:
    location = variant.location
    assert isinstance(location, Prepend)
    return list(location.prompts.prompts)


def by_hand(net: Backbone, batch: Tensor, before: Sequence[Any]) -> Tensor:
    """Return all tokens behind the last norm.

    `before` has one function for each layer, which changes the list of tokens in front of it.
    """
    model: Any = net.model
    tokens = list(model._pos_embed(model.patch_embed(batch)).unbind(1))
    for change, block in zip(before, model.blocks, strict=True):
        tokens = list(block(torch.stack(change(tokens), dim=1)).unbind(1))
    return model.norm(torch.stack(tokens, dim=1))


def rows(prompt: Tensor, batch: Tensor) -> list[Tensor]:
    return [row.expand(len(batch), -1) for row in prompt]


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def unchanged(tokens: list[Tensor]) -> list[Tensor]:
    return tokens
