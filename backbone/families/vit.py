"""The Vision Transformer family: ViT, DeiT, CLIP, DINOv2 and SigLIP as timm builds them."""

from typing import Any

from timm.layers import Attention
from timm.models.deit import VisionTransformerDistilled
from timm.models.vision_transformer import Block, VisionTransformer
from torch import Tensor

from facet_vision.backbone.adaptation import Changes, LayerChanges
from facet_vision.backbone.errors import UnsupportedBackbone

from .sequence import POOLINGS, SequenceFamily


class VisionTransformerFamily(SequenceFamily):
    """Runs a timm `VisionTransformer` with prompts.

    Raises:
        UnsupportedBackbone: a part of the model has no verified prompted form.
    """

    def __init__(self, model: VisionTransformer) -> None:
        _check(model)
        # DeiT's distilled form reads its distillation token as well.
        distilled = isinstance(model, VisionTransformerDistilled)
        read = (2 if distilled else 1) if model.global_pool == "token" else None
        super().__init__(model, read)

    def _embed(self, images: Tensor, changes: Changes) -> tuple[Tensor, None]:
        model = self.model
        patches = changes.layer(0).after("embed", model.patch_embed(images))
        return model.norm_pre(model.patch_drop(model._pos_embed(patches))), None

    def _finish(self, layer: int, x: Tensor, projected: Tensor, changes: LayerChanges) -> Tensor:
        block = self.blocks[layer]
        x = x + block.drop_path1(block.ls1(projected))
        h = changes.after("norm2", block.norm2(x))
        return x + block.drop_path2(block.ls2(self.dense[layer].mlp(h, changes)))


def _check(model: Any) -> None:
    """Raise UnsupportedBackbone for what no parity test covers."""
    if type(model) not in (VisionTransformer, VisionTransformerDistilled):
        raise UnsupportedBackbone(
            f"backbone: expected a VisionTransformer, found {type(model).__name__}"
        )
    if model.global_pool not in POOLINGS:
        raise UnsupportedBackbone(
            f"backbone pooling: expected {', '.join(POOLINGS)}, found {model.global_pool!r}"
        )
    for block in model.blocks:
        if type(block) is not Block:
            raise UnsupportedBackbone(
                f"backbone block: expected Block, found {type(block).__name__}"
            )
        if type(block.attn) is not Attention or getattr(block.attn, "gate", None) is not None:
            found = type(block.attn).__name__
            raise UnsupportedBackbone(
                f"backbone attention: expected ungated Attention, found {found}"
            )
