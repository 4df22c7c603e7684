"""The Eva family: DINOv3, EVA-02, Perception Encoder and RoPE-ViT as timm builds them.

Queries and keys of patches are rotated by their places. Class and register tokens are not, and
prompts, which stand behind them, are not either: so the keys of a prompt are the same for every
image, and the prefix form is exact.
"""

from typing import Any

from timm.layers import AttentionRope
from timm.models.eva import Eva, EvaAttention, EvaBlock, EvaBlockPostNorm
from torch import Tensor, nn

from facet_vision.backbone.adaptation import Changes, LayerChanges
from facet_vision.backbone.errors import UnsupportedBackbone

from .sequence import POOLINGS, SequenceFamily


class EvaFamily(SequenceFamily):
    """Runs a timm `Eva` with prompts.

    Raises:
        UnsupportedBackbone: a part of the model has no verified prompted form.
    """

    def __init__(self, model: Eva) -> None:
        _check(model)
        super().__init__(model, 1 if model.global_pool == "token" else None)

    @property
    def _has_last_norm(self) -> bool:
        """Perception Encoders that are not for classes end without one."""
        norms = (self.model.norm, self.model.fc_norm)
        return not all(isinstance(norm, nn.Identity) for norm in norms)

    def _embed(self, images: Tensor, changes: Changes) -> tuple[Tensor, Tensor | None]:
        model = self.model
        x, rotation = model._pos_embed(changes.layer(0).after("embed", model.patch_embed(images)))
        return model.norm_pre(x), rotation

    def _entering(self, layer: int, x: Tensor, changes: LayerChanges) -> Tensor:
        if isinstance(self.blocks[layer], EvaBlockPostNorm):
            return x
        return super()._entering(layer, x, changes)

    def _finish(self, layer: int, x: Tensor, projected: Tensor, changes: LayerChanges) -> Tensor:
        block, mlp = self.blocks[layer], self.dense[layer].mlp
        if isinstance(block, EvaBlockPostNorm):
            x = x + block.drop_path1(changes.after("norm1", block.norm1(projected)))
            return x + block.drop_path2(changes.after("norm2", block.norm2(mlp(x, changes))))
        x = x + block.drop_path1(_scaled(block.gamma_1, projected))
        h = changes.after("norm2", block.norm2(x))
        return x + block.drop_path2(_scaled(block.gamma_2, mlp(h, changes)))


def _scaled(scale: Tensor | None, x: Tensor) -> Tensor:
    return x if scale is None else scale * x


def _check(model: Any) -> None:
    """Raise UnsupportedBackbone for what no parity test covers."""
    if type(model) is not Eva:
        raise UnsupportedBackbone(f"backbone: expected an Eva, found {type(model).__name__}")
    if model.global_pool not in POOLINGS:
        raise UnsupportedBackbone(
            f"backbone pooling: expected {', '.join(POOLINGS)}, found {model.global_pool!r}"
        )
    for block in model.blocks:
        if type(block) not in (EvaBlock, EvaBlockPostNorm):
            raise UnsupportedBackbone(
                f"backbone block: expected EvaBlock, found {type(block).__name__}"
            )
        if type(block.attn) not in (EvaAttention, AttentionRope):
            raise UnsupportedBackbone(
                f"backbone attention: expected EvaAttention or AttentionRope, found "
                f"{type(block.attn).__name__}"
            )
