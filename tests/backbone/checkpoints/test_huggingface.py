"""Files of `transformers`: small random models there and here give the same features."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from timm.layers import SwiGLUPacked
from torch import nn

from facet_vision import backbone
from facet_vision.backbone.checkpoints import fill, load_checkpoint
from tests.backbone.families import build

SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "image_size": 32,
    "patch_size": 8,
    "layer_norm_eps": 1e-6,
}
SWIN: dict[str, Any] = {
    "image_size": 32,
    "patch_size": 4,
    "embed_dim": 12,
    "depths": [2, 2],
    "num_heads": [2, 4],
    "window_size": 4,
}
LARGER = {"hidden_size": 48, "num_attention_heads": 4}
DINO = {"init_values": 0.3}
GATED: dict[str, Any] = {**DINO, "mlp_layer": SwiGLUPacked, "act_layer": nn.SiLU}

CASES: dict[str, tuple[Callable[[], Any], Callable[[], Any], str]] = {
    "vit": (
        lambda: transformers.ViTModel(transformers.ViTConfig(**SIZES, intermediate_size=128)),
        lambda: build("plain"),
        "token",
    ),
    "vit-classifier": (
        lambda: transformers.ViTForImageClassification(
            transformers.ViTConfig(**SIZES, intermediate_size=128)
        ),
        lambda: build("plain"),
        "token",
    ),
    "deit-distilled": (
        lambda: transformers.DeiTModel(transformers.DeiTConfig(**SIZES, intermediate_size=128)),
        lambda: build("deit-distilled"),
        "both",
    ),
    "dinov2": (
        lambda: transformers.Dinov2Model(transformers.Dinov2Config(**SIZES)),
        lambda: build("plain", **DINO),
        "token",
    ),
    "dinov2-classifier": (
        lambda: transformers.Dinov2ForImageClassification(transformers.Dinov2Config(**SIZES)),
        lambda: build("plain", **DINO),
        "token",
    ),
    "dinov2-gated": (
        lambda: transformers.Dinov2Model(transformers.Dinov2Config(**SIZES, use_swiglu_ffn=True)),
        lambda: build("plain", **GATED, mlp_ratio=88 * 2 / 32),
        "token",
    ),
    "dinov2-registers": (
        lambda: transformers.Dinov2WithRegistersModel(
            transformers.Dinov2WithRegistersConfig(**SIZES, num_register_tokens=4)
        ),
        lambda: build("dinov2-registers"),
        "token",
    ),
    "swin": (
        lambda: transformers.SwinModel(transformers.SwinConfig(**SWIN)),
        lambda: build("swin"),
        "avg",
    ),
    "swin-classifier": (
        lambda: transformers.SwinForImageClassification(transformers.SwinConfig(**SWIN)),
        lambda: build("swin"),
        "avg",
    ),
    "swin-three-stages": (
        lambda: transformers.SwinModel(
            transformers.SwinConfig(
                **{**SWIN, "image_size": 64, "depths": [1, 2, 1], "num_heads": [2, 2, 4]}
            )
        ),
        lambda: build("swin", img_size=64, depths=(1, 2, 1), num_heads=(2, 2, 4)),
        "avg",
    ),
}


def random(model: Any) -> Any:
    """Give a model weights of a size that leaves no term near zero."""
    generator = torch.Generator().manual_seed(5)
    for parameter in model.parameters():
        mean = 0.0 if parameter.ndim > 1 else 0.5
        parameter.data = mean + 0.2 * torch.randn(parameter.shape, generator=generator)
    return model.eval()


def images_for(model: Any) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(2, 3, *model.patch_embed.img_size, generator=generator)


def features(theirs: Any, images: torch.Tensor, pooling: str) -> torch.Tensor:
    """What timm calls the feature, computed by `transformers`."""
    inner = getattr(theirs, theirs.base_model_prefix, theirs)
    tokens = inner(images).last_hidden_state
    pooled = {"token": tokens[:, 0], "avg": tokens.mean(1), "both": tokens[:, :2].mean(1)}
    return pooled[pooling]


@pytest.mark.parametrize("case", CASES)
def test_features_are_those_of_transformers(case: str, tmp_path: Path) -> None:
    make_theirs, make_ours, pooling = CASES[case]
    theirs, ours = random(make_theirs()), make_ours()
    images = images_for(ours)
    expected = features(theirs, images, pooling)
    theirs.save_pretrained(tmp_path)
    assert load_checkpoint(ours, tmp_path / "model.safetensors") == ""
    found = backbone.wrap(ours, device="cpu").features(images)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("case", CASES)
def test_names_of_live_modules_are_known_too(case: str) -> None:
    make_theirs, make_ours, pooling = CASES[case]
    theirs, ours = random(make_theirs()), make_ours()
    images = images_for(ours)
    assert fill(ours, {"state_dict": theirs.state_dict()}, "live.pth") == ""
    found = backbone.wrap(ours, device="cpu").features(images)
    torch.testing.assert_close(found, features(theirs, images, pooling), atol=1e-5, rtol=1e-5)


def test_positions_of_transformers_are_resampled_and_said() -> None:
    theirs = random(CASES["dinov2-registers"][0]())
    words = "positions 4x4 -> 6x6 resampled"
    assert fill(build("dinov2-registers", img_size=48), theirs.state_dict(), "f") == words


def test_another_width_of_transformers_is_told_by_its_trait() -> None:
    theirs = transformers.ViTModel(transformers.ViTConfig(**(SIZES | LARGER)))
    with pytest.raises(backbone.BackboneError, match="width: 32 here, 48 in the file"):
        fill(build("plain"), theirs.state_dict(), "f")
