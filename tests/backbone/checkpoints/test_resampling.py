"""What was interpolated to the model's sizes is said, and nothing else is."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from facet_vision import backbone
from facet_vision.backbone.checkpoints import fill
from facet_vision.backbone.checkpoints.resampling import npz_shapes, resampled
from tests.backbone.families import VARIANTS, build

CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any], str]] = {
    "positions": ("plain", {}, {"img_size": 48}, "positions 4x4 -> 6x6 resampled"),
    "patches": ("plain", {}, {"patch_size": 16, "img_size": 64}, "patches 8x8 -> 16x16 resampled"),
    "both": (
        "clip",
        {},
        {"patch_size": 4},
        "patches 8x8 -> 4x4, positions 4x4 -> 8x8 resampled",
    ),
    "registers": (
        "dinov2-registers",
        {},
        {"img_size": 24},
        "positions 4x4 -> 3x3 resampled",
    ),
    "distilled": ("deit-distilled", {}, {"img_size": 48}, "positions 4x4 -> 6x6 resampled"),
    "oblong": ("plain", {}, {"img_size": (32, 64)}, "positions 4x4 -> 4x8 resampled"),
    "windows": ("swin", {}, {"window_size": 8, "img_size": 64}, "windows 4x4 -> 8x8 resampled"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_was_resampled_is_said(case: str) -> None:
    variant, theirs, ours, words = CASES[case]
    assert fill(build(variant, **ours), build(variant, **theirs).state_dict(), "f") == words


@pytest.mark.parametrize("variant", VARIANTS)
def test_nothing_is_said_of_equal_sizes(variant: str) -> None:
    assert fill(build(variant, seed=1), build(variant, seed=2).state_dict(), "f") == ""


def test_openai_names_are_looked_at_too() -> None:
    # the text model has positions of its own
    shapes = {"positional_embedding": (77, 512), "visual.positional_embedding": (17, 32)}
    assert resampled(shapes, build("clip")) == ""
    assert resampled(shapes | {"visual.positional_embedding": (26, 32)}, build("clip")) == (
        "positions 5x5 -> 4x4 resampled"
    )


def test_the_shapes_in_a_file_of_google_are_read(tmp_path: Path) -> None:
    path = tmp_path / "vit.npz"
    np.savez(
        path,
        **{
            "Transformer/posembed_input/pos_embedding": np.zeros((1, 26, 32)),
            "embedding/kernel": np.zeros((16, 16, 3, 32)),
            "other/embedding/kernel": np.zeros((9, 9, 3, 32)),
        },
    )
    shapes = npz_shapes(path)
    assert shapes == {"pos_embed": (1, 26, 32), "patch_embed.proj.weight": (32, 3, 16, 16)}
    expected = "patches 16x16 -> 8x8, positions 5x5 -> 4x4 resampled"
    assert resampled(shapes, build("plain")) == expected


def test_a_loaded_backbone_says_it(tmp_path: Path) -> None:
    path = tmp_path / "small.pth"
    small = backbone.load("vit_tiny_patch16_224", pretrained=False, device="cpu")
    assert small.resampled == ""
    torch.save(small.model.state_dict(), path)
    large = backbone.load("vit_tiny_patch16_384", checkpoint=path, device="cpu")
    assert large.resampled == "positions 14x14 -> 24x24 resampled"
