"""Which precision "auto" stands for."""

from __future__ import annotations

from facet_vision.backbone import Backbone, has_bfloat16

from .recipe import Recipe


def settled(recipe: Recipe, backbone: Backbone) -> Recipe:
    """The recipe with the precision that it stands for on the backbone's device."""
    if recipe.precision != "auto":
        return recipe
    return recipe.model_copy(
        update={"precision": "bfloat16" if has_bfloat16(backbone.device) else "float32"}
    )
