"""What is trained: the transformer, the heads of pretraining, and their losses."""

from __future__ import annotations

from typing import Any

import timm
import torch
from torch import nn
from torch.nn import functional

from .config import PretrainConfig
from .images import BACKGROUNDS, MASK_SIZE, SURFACES

_CLASSES = ("shape", "surface", "background")  # in the order of the labels' columns


class Pretraining(nn.Module):
    """The class token names shape, surface and background; each patch token draws the foreground under it.

    Number, place, size and turn of the objects are deliberately not asked of the class token. The dense
    loss is what starts the training: without it the classes stay at chance for long.
    """

    def __init__(self, config: PretrainConfig) -> None:
        super().__init__()
        sizes: dict[str, Any] = dict(config.model)
        vit: Any = timm.create_model("facet_tiny", num_classes=0, **sizes)  # a VisionTransformer
        for block in vit.blocks:
            block.attn.fused_attn = False  # about twice as fast in training on a CPU
        self.vit = vit
        self.shape = nn.Linear(vit.embed_dim, 3 * config.classes_per_kind)
        self.surface = nn.Linear(vit.embed_dim, len(SURFACES))
        self.background = nn.Linear(vit.embed_dim, len(BACKGROUNDS))
        self.cells: int = MASK_SIZE // vit.patch_embed.grid_size[0]
        self.foreground = nn.Linear(vit.embed_dim, self.cells**2)
        for head in (self.shape, self.surface, self.background):
            nn.init.normal_(head.weight, std=0.01)
        self.weights = {
            "shape": 1.0,
            "surface": config.surface_weight,
            "background": config.background_weight,
            "dense": config.dense_weight,
        }

    def tokens(self, images: torch.Tensor, kept: torch.Tensor | None = None) -> torch.Tensor:
        """Final tokens (n, 1 + patches, dim) of normalised images; only the patches `kept` (n, k) if given."""
        vit: Any = self.vit
        position = vit.pos_embed
        patches = vit.patch_embed(images) + position[:, 1:]
        if kept is not None:
            patches = patches.gather(1, kept[:, :, None].expand(-1, -1, patches.shape[2]))
        class_token = (vit.cls_token + position[:, :1]).expand(len(images), -1, -1)
        tokens: torch.Tensor = vit.norm(vit.blocks(torch.cat([class_token, patches], dim=1)))
        return tokens

    def forward(
        self,
        images: torch.Tensor,
        foreground: torch.Tensor,
        labels: torch.Tensor,
        kept: torch.Tensor | None = None,
    ) -> dict[str, torch.Tensor]:
        """The losses by name, "total" among them, and "accuracy" of the shape class.

        Args:
            images: float32 (n, 3, 48, 48) in [0, 1].
            foreground: float32 (n, 24, 24) in [0, 1].
            labels: int64 (n, 3): shape, surface, background.
            kept: int64 (n, k), the patches that are not dropped; None keeps all.
        """
        tokens = self.tokens((images - 0.5) / 0.25, kept)
        summary, patches = tokens[:, 0], tokens[:, 1:]
        drawn = self.foreground(patches).float()
        losses = {
            "dense": functional.binary_cross_entropy_with_logits(
                drawn, self._cells(foreground, kept)
            )
        }
        logits = {name: getattr(self, name)(summary).float() for name in _CLASSES}
        for column, name in enumerate(_CLASSES):
            losses[name] = functional.cross_entropy(logits[name], labels[:, column])
        losses["total"] = sum(
            (self.weights[name] * loss for name, loss in losses.items()), torch.zeros(())
        )
        losses["accuracy"] = (logits["shape"].argmax(1) == labels[:, 0]).float().mean()
        return losses

    def _cells(self, foreground: torch.Tensor, kept: torch.Tensor | None) -> torch.Tensor:
        """The foreground under each patch, (n, patches, cells)."""
        under = functional.unfold(foreground[:, None], self.cells, stride=self.cells).transpose(
            1, 2
        )
        return (
            under
            if kept is None
            else under.gather(1, kept[:, :, None].expand(-1, -1, under.shape[2]))
        )


def draw_kept(
    count: int, patches: int, share: float, generator: torch.Generator
) -> torch.Tensor | None:
    """Indices (count, round(share * patches)) of patches that stay, drawn per image; None for all."""
    if share >= 1.0:
        return None
    order = torch.rand(count, patches, generator=generator).argsort(dim=1)
    return order[:, : max(1, round(share * patches))]
