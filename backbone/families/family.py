"""What an architecture family implements."""

from collections.abc import Sequence
from typing import Any, Protocol

from torch import Tensor

from facet_vision.backbone.adaptation import Adaptation, Group, Places, Widths


class Family(Protocol):
    """Runs a network with prompts, in two formulations of one function; see `sequence`.

    Attributes:
        layer_dims: width of each layer that takes prompts; empty where none does.
        feature_dim: width of the pooled feature.
        pooling: how tokens become one feature.
    """

    layer_dims: tuple[int, ...]
    feature_dim: int
    pooling: str

    @property
    def blocks(self) -> Sequence[Any]: ...
    def widths(self, layer: int, site: str, /) -> Widths | None: ...
    def encode(self, prompts: Sequence[Tensor], places: Places, /) -> Adaptation: ...
    def features_tokens(self, images: Tensor, prompts: Sequence[Tensor], /) -> Tensor: ...
    def features_prefix(self, images: Tensor, groups: Sequence[Group], /) -> Tensor: ...
    def pack(self) -> None: ...
