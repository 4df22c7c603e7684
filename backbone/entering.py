"""The tokens that enter each layer of a backbone, for images without prompts."""

import torch
from torch import Tensor

from .backbone import Backbone


@torch.no_grad()
def entering_patches(backbone: Backbone, images: Tensor) -> list[Tensor]:
    """Return the patch tokens in front of each layer, (batch, patches, layer dim).

    Class and register tokens are left out. Hooks take them from the forward that computes
    features, so that no second forward can differ.

    Args:
        images: (batch, 3, height, width), preprocessed.
    """
    found: list[Tensor] = []
    hooks = [
        block.register_forward_pre_hook(lambda _, inputs: found.append(inputs[0]))
        for block in backbone._family.blocks
    ]
    try:
        backbone.features(images, form="tokens")
    finally:
        for hook in hooks:
            hook.remove()
    own = getattr(backbone.model, "num_prefix_tokens", 0)
    return [tokens.flatten(1, -2)[:, own:] for tokens in found]
