"""Transformer, heads and losses of pretraining."""

from __future__ import annotations

from typing import Any

import timm
import torch
from torch import nn
from torch.nn import functional

from facet_vision.backbone.tiny import NAMES  # which also registers them with timm

from .config import PretrainConfig
from .images import BACKGROUNDS, MASK_SIZE, SURFACES

_CLASSES = ("shape", "surface", "background")  # in the order of the labels' columns


class Pretraining(nn.Module):
    """A vision transformer with the heads of two tasks.

    The class token names shape, surface and background; each patch token draws the foreground
    under it.

    Number, place, size and turn of the objects are deliberately no targets of the class token. The
    dense loss starts the training: without it the classes stay at chance for long.
    """

    def __init__(self, config: PretrainConfig) -> None:
        super().__init__()
        sizes: dict[str, Any] = dict(config.model)
        vit: Any = timm.create_model(  # a VisionTransformer
            NAMES[config.architecture], num_classes=0, **sizes
        )
        for block in vit.blocks:
            block.attn.fused_attn = False  # about twice as fast in training on a CPU
        self.vit = vit
        self.shape = nn.Linear(vit.embed_dim, 3 * config.classes_per_kind)
        self.surface = nn.Linear(vit.embed_dim, len(SURFACES))
        self.background = nn.Linear(vit.embed_dim, len(BACKGROUNDS))
        # Pixels of the foreground along one side of a patch.
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

    def tokens(self, images: torch.Tensor, visible: torch.Tensor | None = None) -> torch.Tensor:
        """Return final tokens (n, 1 + patches, dim) of normalised images.

        Args:
            visible: int64 (n, k), the patches that are not dropped; None for all.
        """
        vit: Any = self.vit
        position = vit.pos_embed
        patches = vit.patch_embed(images) + position[:, 1:]
        if visible is not None:
            patches = patches.gather(1, visible[:, :, None].expand(-1, -1, patches.shape[2]))
        class_token = (vit.cls_token + position[:, :1]).expand(len(images), -1, -1)
        tokens: torch.Tensor = vit.norm(vit.blocks(torch.cat([class_token, patches], dim=1)))
        return tokens

    def forward(
        self,
        images: torch.Tensor,
        foreground: torch.Tensor,
        labels: torch.Tensor,
        visible: torch.Tensor | None = None,
    ) -> dict[str, torch.Tensor]:
        """Return the losses by name, "total" among them, and "accuracy" of the shape class.

        Args:
            images: float32 (n, 3, 48, 48) in [0, 1].
            foreground: float32 (n, 24, 24) in [0, 1].
            labels: int64 (n, 3): shape, surface, background.
            visible: int64 (n, k), the patches that are not dropped; None for all.
        """
        tokens = self.tokens((images - 0.5) / 0.25, visible)
        summary, patches = tokens[:, 0], tokens[:, 1:]
        drawn = self.foreground(patches).float()
        cells = self._cells(foreground, visible)
        losses = {"dense": functional.binary_cross_entropy_with_logits(drawn, cells)}
        logits = {name: getattr(self, name)(summary).float() for name in _CLASSES}
        for column, name in enumerate(_CLASSES):
            losses[name] = functional.cross_entropy(logits[name], labels[:, column])
        weighted = [self.weights[name] * loss for name, loss in losses.items()]
        losses["total"] = sum(weighted, torch.zeros(()))
        losses["accuracy"] = (logits["shape"].argmax(1) == labels[:, 0]).float().mean()
        return losses

    def _cells(self, foreground: torch.Tensor, visible: torch.Tensor | None) -> torch.Tensor:
        """Return the foreground under each patch, (n, patches, cells^2)."""
        columns = functional.unfold(foreground[:, None], self.cells, stride=self.cells)
        under = columns.transpose(1, 2)
        if visible is None:
            return under
        return under.gather(1, visible[:, :, None].expand(-1, -1, under.shape[2]))


def draw_visible(
    count: int, patches: int, share: float, generator: torch.Generator
) -> torch.Tensor | None:
    """Draw the patches that are not dropped, for each image.

    Returns:
        Indices (count, round(share * patches)); None for all.
    """
    if share >= 1.0:
        return None
    order = torch.rand(count, patches, generator=generator).argsort(dim=1)
    return order[:, : max(1, round(share * patches))]
