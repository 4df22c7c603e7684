"""The embedded backbone and its siblings: small vision transformers in timm's registry.

They are pre-trained by `facet pretrain` on generated images. The weights of facet-tiny ship with
the package, so that demos and tests need no download; those of the others do not.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from timm.models.vision_transformer import VisionTransformer
from torch import nn

WEIGHTS = Path(__file__).parent / "weights" / "facet_tiny.safetensors"

NAMES = {"facet-tiny": "facet_tiny", "facet-nano": "facet_nano", "facet-small": "facet_small"}
"""timm's name of each; a forward of nano computes 0.29 of what one of tiny does, small 2.4."""

_CONFIG = {
    "url": "",
    "num_classes": 0,
    "input_size": (3, 48, 48),
    "fixed_input_size": True,
    "pool_size": None,
    "crop_pct": 1.0,
    "interpolation": "bicubic",
    "mean": (0.5, 0.5, 0.5),
    "std": (0.25, 0.25, 0.25),
    "first_conv": "patch_embed.layers.0",
    "classifier": "head",
    "license": "apache-2.0",
}

default_cfgs = generate_default_cfgs({f"{name}.formula": _CONFIG for name in NAMES.values()})


class ConvStem(nn.Module):
    """Three strided 3x3 convolutions in place of one patchifying projection.

    With one projection a transformer of this size trains far slower (cf. Xiao et al. 2021, "Early
    Convolutions Help Transformers See Better").
    """

    def __init__(
        self,
        img_size: int = 48,
        patch_size: int = 8,
        in_chans: int = 3,
        embed_dim: int = 160,
        bias: bool = True,
        dynamic_img_pad: bool = False,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if patch_size != 8 or img_size % 8 or dynamic_img_pad:
            raise ValueError(
                f"ConvStem expects patches of 8 and a fixed size divisible by 8, found {img_size}."
            )
        # The attributes that timm's VisionTransformer reads of a patch embedding.
        self.img_size = (img_size, img_size)
        self.patch_size = (patch_size, patch_size)
        self.grid_size = (img_size // 8, img_size // 8)
        self.num_patches = self.grid_size[0] * self.grid_size[1]
        widths = (in_chans, embed_dim // 4, embed_dim // 2, embed_dim)
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        layers: list[nn.Module] = []
        for narrow, wide in pairwise(widths):
            layers += [
                nn.Conv2d(narrow, wide, 3, stride=2, padding=1, bias=False, **factory),
                nn.BatchNorm2d(wide, **factory),
                nn.GELU(),
            ]
        # A projection replaces the last activation: tokens must be free to be negative.
        layers[-1] = nn.Conv2d(embed_dim, embed_dim, 1, bias=bias, **factory)
        self.layers = nn.Sequential(*layers)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Turn images (batch, channels, height, width) into tokens (batch, patches, dim)."""
        tokens: torch.Tensor = self.layers(images).flatten(2).transpose(1, 2)
        return tokens


@register_model  # type: ignore[untyped-decorator]  # timm is not typed; it returns the function
def facet_tiny(pretrained: bool = False, **kwargs: Any) -> VisionTransformer:
    """Build a ViT for 48 px with patches of 8 and class-token pooling.

    `backbone.load` loads its weights; `pretrained` is for timm's interface.
    """
    return _build("facet_tiny", pretrained, {"embed_dim": 160, "depth": 8} | kwargs)


@register_model  # type: ignore[untyped-decorator]
def facet_nano(pretrained: bool = False, **kwargs: Any) -> VisionTransformer:
    """Build a narrower and shallower `facet_tiny`."""
    return _build("facet_nano", pretrained, {"embed_dim": 96, "depth": 6} | kwargs)


@register_model  # type: ignore[untyped-decorator]
def facet_small(pretrained: bool = False, **kwargs: Any) -> VisionTransformer:
    """Build a wider and deeper `facet_tiny`."""
    return _build("facet_small", pretrained, {"embed_dim": 224, "depth": 10} | kwargs)


def _build(name: str, pretrained: bool, arguments: dict[str, Any]) -> VisionTransformer:
    common: dict[str, Any] = {
        "img_size": 48,
        "patch_size": 8,
        "num_heads": arguments["embed_dim"] // 32,
        "num_classes": 0,
        "embed_layer": ConvStem,
    }
    model: VisionTransformer = build_model_with_cfg(
        VisionTransformer, name, pretrained, **(common | arguments)
    )
    return model
