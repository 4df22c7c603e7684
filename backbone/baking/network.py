"""The pooled features of one task as a network of its own."""

import copy
from collections.abc import Sequence

from torch import Tensor, nn

from facet_vision.backbone.adaptation import NO_PARTS, Adaptation, Parts
from facet_vision.backbone.backbone import Backbone
from facet_vision.backbone.errors import BackboneError

from .folding import fold


class BakedNetwork(nn.Module):
    """From preprocessed images (batch, 3, height, width) to features (batch, feature_dim).

    It runs the forward in which the task is served, so `torch.export` can trace it with any number
    of images. What no weight can hold of the task is constant: keys and values, prompts that travel
    as tokens, bottlenecks.
    """

    def __init__(self, backbone: Backbone, adaptation: Adaptation) -> None:
        super().__init__()
        self.model = backbone.model
        self._family = backbone._family
        self._adaptation = adaptation

    def forward(self, images: Tensor) -> Tensor:
        """Return the features."""
        return self._family.features_prefix(images, [(self._adaptation, images.shape[0])])


def bake(
    backbone: Backbone, prompts: Sequence[Tensor] = (), parts: Parts = NO_PARTS
) -> BakedNetwork:
    """Make a network of a backbone and one task; the backbone stays as it is.

    Args:
        prompts, parts: as for `Backbone.encode`.

    Raises:
        BackboneError: prompts or parts do not fit, or the backbone is packed.
    """
    if backbone.is_packed:
        raise BackboneError("execution: expected 'plain' of a backbone to bake, found 'packed'")
    own = copy.deepcopy(backbone)
    left = fold(own, parts)
    return BakedNetwork(own, own.encode(prompts, left)).eval()
