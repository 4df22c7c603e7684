"""Prompt variant as a method.

It is trained and measured as any other, but not written to a task file and not served.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from timm.models.swin_transformer import SwinTransformer
from torch import Tensor, nn

from facet_vision.backbone import Backbone
from facet_vision.training.errors import TrainingError
from facet_vision.training.methods import Method
from facet_vision.training.recipe import Recipe

from .depth import Action, schedule
from .initial import drawn, xavier_bound
from .locations import Add, AddOnSwin, Below, Pad, Prepend, PrependPixel
from .prompts import PromptTokens, make_projection
from .tokens import vision_transformer
from .variant import Variant


class PromptVariant(Method):
    """The recipe's vpt-shallow or vpt-deep with the switches of a variant.

    It is defined on plain ViTs; on Swin there are add and add-1 of vpt-shallow, as in the paper.
    """

    name = "prompt-variant"
    served = False
    uses = frozenset({"tokens"})

    def __init__(
        self,
        backbone: Backbone,
        classes: int,
        recipe: Recipe,
        generator: torch.Generator,
        variant: Variant | None = None,
        prototypes: Sequence[Tensor] = (),
    ) -> None:
        """Make the parameters of a variant.

        Args:
            variant: None for the method as it is.
            prototypes: initial prompts of each set, where `variant.needs_prototypes`.

        Raises:
            TrainingError: the backbone has no such variant, or it does not fit the method, the
                backbone or the recipe.
        """
        super().__init__(backbone, classes, recipe, generator)
        self.variant = variant or Variant()
        self.variant.check(recipe.method, len(backbone.layer_dims))
        _check_recipe(recipe, self.variant)
        self.location = self._location(generator, prototypes)

    def features(self, inputs: Tensor) -> Tensor:
        features: Tensor = self.location(inputs)
        return features

    def _location(self, generator: torch.Generator, prototypes: Sequence[Tensor]) -> nn.Module:
        backbone, variant = self.backbone, self.variant
        kind, init = variant.location, variant.init
        shallow, one_for_all = self.recipe.method == "vpt-shallow", kind == "add-1"
        added = kind in ("add", "add-1")
        if added and shallow and isinstance(backbone.model, SwinTransformer):
            return AddOnSwin(backbone, init, generator, one_for_all=one_for_all)
        vision_transformer(backbone)  # raises for other families
        if kind == "prepend":
            actions = actions_of(variant, self.recipe.method, len(backbone.layer_dims))
            return Prepend(backbone, self._prompts(actions, generator, prototypes), variant.pooling)
        if added:
            layers = 1 if shallow else len(backbone.layer_dims)
            return Add(backbone, layers, init, generator, one_for_all=one_for_all)
        at_input = {"prepend-pixel": PrependPixel, "pad": Pad, "below": Below}[kind]
        return at_input(backbone, self.recipe.tokens, init, generator)

    def _prompts(
        self, actions: tuple[Action, ...], generator: torch.Generator, prototypes: Sequence[Tensor]
    ) -> PromptTokens:
        variant = self.variant
        layer_width = self.backbone.layer_dims[0]
        width = variant.projection or layer_width
        sets = len({action for action in actions if isinstance(action, int)})
        shape = (self.recipe.tokens, width)
        if variant.needs_prototypes:
            _check_prototypes(prototypes, sets, shape)
            initial = list(prototypes)
        else:
            bound = xavier_bound(self.backbone.model.patch_embed, width)
            initial = [
                drawn(shape, variant.init, generator, low=-bound, high=bound) for _ in range(sets)
            ]
        # After the prompts: the order of the draws decides the values of a seed.
        projection = None
        if variant.projection is not None:
            projection = make_projection(width, layer_width, generator)
        return PromptTokens(initial, actions, projection, variant.dropout)


def actions_of(variant: Variant, method: str, layers: int) -> tuple[Action, ...]:
    """Return what a variant that prepends does in front of each layer.

    vpt-shallow is a depth of one that propagates.
    """
    if method == "vpt-shallow":
        return schedule(layers, 1, "bottom-up", "propagate")
    return schedule(
        layers, variant.depth or layers, variant.direction, variant.beyond, shared=variant.shared
    )


OF_THE_METHOD = ("prompt_init", "prompt_dropout", "drop_path")
"""Fields of the recipe that the registered methods read and no variant does."""


def _check_recipe(recipe: Recipe, variant: Variant) -> None:
    for name in OF_THE_METHOD:
        found, default = getattr(recipe, name), Recipe.model_fields[name].default
        if found != default:
            raise TrainingError(
                f"{name}: expected {default} for a prompt variant, which does not read it, "
                f"found {found}"
            )
    if recipe.tokens < 1 and variant.location not in ("add", "add-1"):
        raise TrainingError(
            f"tokens: expected at least 1 for location {variant.location}, found {recipe.tokens}"
        )


def _check_prototypes(prototypes: Sequence[Tensor], sets: int, shape: tuple[int, int]) -> None:
    """Check number and shape; there is one for each class, so the recipe's tokens must agree."""
    if len(prototypes) != sets:
        raise TrainingError(
            f"init: expected prototypes for {sets} sets of prompts, found {len(prototypes)}"
        )
    if any(tuple(prompt.shape) != shape for prompt in prototypes):
        expected = f"{len(prototypes[0])}, one for each class"
        raise TrainingError(
            f"tokens: expected {expected}, for prompts that begin as prototypes, found {shape[0]}"
        )
