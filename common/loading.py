"""What is asked of a backbone, and the backbone of a task that is in a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args

from pydantic import Field

from .terminal import tell_resampled

if TYPE_CHECKING:
    from facet_vision.backbone import Backbone
    from facet_vision.prompts_store import Manifest

_PoolName = Literal["token", "avg", "map"]
POOLS = get_args(_PoolName)

Pool = Annotated[
    _PoolName | None,
    Field(description="How the backbone's tokens become a feature; by default as published."),
]
ImageSize = Annotated[
    int | None,
    Field(ge=1, description="Side of the backbone's images in pixels; by default as published."),
]


def backbone_of(
    manifest: Manifest, name: str | None, *, checkpoint: Path | None, device: str
) -> Backbone:
    """Load the backbone of a task as it was when the task was learned, in float32.

    What of it was resampled is printed on stderr.

    Args:
        name: of the backbone, where it has another name here than in the file.

    Raises:
        BackboneError: it cannot be had, or cannot pool so or take images of that size.
    """
    from facet_vision.backbone import load  # it imports torch, which takes seconds

    height, width = manifest.input_size[1:]
    return tell_resampled(
        load(
            name or manifest.backbone,
            checkpoint=checkpoint,
            pool=manifest.pooling if manifest.pooling in POOLS else None,
            image_size=(height, width),
            device=device,
        )
    )
