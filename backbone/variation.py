"""Another input size or pooling than a network was published with, for the same weights."""

from typing import Any

from timm.models import is_model_in_modules
from timm.models.deit import VisionTransformerDistilled
from timm.models.eva import Eva
from timm.models.vision_transformer import VisionTransformer

from .errors import BackboneError
from .families.features import POOLING
from .families.sequence import POOLINGS
from .identity import WITH_PROMPTS
from .supported import PROMPTED

Size = tuple[int, int]
"""Height and width in pixels."""


def size_argument(architecture: str, size: Size | None) -> dict[str, Any]:
    """Return what makes timm build a network for a size.

    Networks without prompts that take any size are built in one way for all.
    """
    if size is None or not is_model_in_modules(architecture, PROMPTED):
        return {}
    return {"img_size": size[0] if size[0] == size[1] else size}


def set_size(model: Any, size: Size | None) -> None:
    """Let a network that `size_argument` was made for take images of a size.

    Raises:
        BackboneError: it cannot.
    """
    if size is None:
        return
    embed: Any = getattr(model, "patch_embed", None)
    built_for = getattr(embed, "img_size", None)
    if built_for is not None and tuple(built_for) == size:
        patch = embed.patch_size
        if any(side % step for side, step in zip(size, patch, strict=True)):
            raise BackboneError(f"image_size: expected a multiple of {patch[0]}, found {size[0]}")
        return
    config = model.pretrained_cfg
    own = tuple(built_for or config["input_size"][1:])
    if size != own and (built_for is not None or config.get("fixed_input_size")):
        raise BackboneError(f"image_size: expected {own[0]}, its only one, found {size[0]}")
    config["input_size"] = (3, *size)


def set_pool(model: Any, pool: str | None) -> None:
    """Let a network pool its tokens in another way; its last norm stays where it is.

    Raises:
        BackboneError: it cannot.
    """
    own = model.global_pool if type(model) in WITH_PROMPTS else POOLING
    if pool is None or pool == own:
        return
    possible = [own]
    if isinstance(model, VisionTransformer | Eva):
        possible = [each for each in POOLINGS if _can_pool(model, each)]
    if pool not in possible:
        raise BackboneError(f"pool: expected {' or '.join(possible)}, found {pool!r}")
    model.reset_classifier(0, global_pool=pool)


def _can_pool(model: Any, pool: str) -> bool:
    if isinstance(model, VisionTransformerDistilled):
        return pool == model.global_pool
    if pool == "token":
        return model.cls_token is not None
    return pool == "avg" or model.attn_pool is not None


def resampled_positions(model: Any) -> str:
    """Say how timm interpolated a release's positions; "" where it did not."""
    embed: Any = getattr(model, "patch_embed", None)
    if getattr(model, "pos_embed", None) is None or not hasattr(embed, "grid_size"):
        return ""
    sizes = zip(model.pretrained_cfg["input_size"][1:], embed.patch_size, strict=True)
    old = tuple(side // patch for side, patch in sizes)
    new = tuple(embed.grid_size)
    if old == new:
        return ""
    return f"positions {old[0]}x{old[1]} -> {new[0]}x{new[1]} resampled"
