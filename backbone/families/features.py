"""Any other image network of timm, for its features alone: it takes no prompts and no changes."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from facet_vision.backbone.adaptation import Adaptation, Group, Places, Widths
from facet_vision.backbone.errors import UnsupportedBackbone

POOLING = "own"
"""How these networks pool is a part of them, which their architecture states."""


class FeaturesFamily:
    """Runs a timm network as it is.

    Rows of different tasks differ in nothing but their heads, so a mixed batch is one forward.

    Raises:
        UnsupportedBackbone: the model is no image network of timm with pooled features.
    """

    def __init__(self, model: Any) -> None:
        if not all(hasattr(model, part) for part in ("forward_features", "forward_head")):
            raise UnsupportedBackbone(
                f"backbone: expected an image network of timm, found {type(model).__name__}"
            )
        self.model = model
        self.blocks: list[Any] = []
        self.layer_dims: tuple[int, ...] = ()
        self.feature_dim: int = model.head_hidden_size
        self.pooling = POOLING

    def features_tokens(self, images: Tensor, _prompts: Sequence[Tensor]) -> Tensor:
        """Return timm's features in front of the classifier."""
        return self.model.forward_head(self.model.forward_features(images), pre_logits=True)

    def features_prefix(self, images: Tensor, _groups: Sequence[Group]) -> Tensor:
        """Return the same features, whatever the tasks of the rows."""
        return self.features_tokens(images, ())

    def widths(self, _layer: int, _site: str) -> Widths | None:
        """Return None: there are no sites."""
        return None

    def encode(self, _prompts: Sequence[Tensor], _places: Places) -> Adaptation:
        """Return the empty adaptation; `Backbone` refuses every other."""
        return Adaptation()

    def pack(self) -> None:
        """Do nothing: `Backbone.can_pack` is false, since there are no blocks."""
