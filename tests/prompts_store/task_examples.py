"""Small sound task files, and facts of the backbones that they fit or do not fit."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from facet_vision.backbone import Backbone
from facet_vision.prompts_store import Head, Manifest, TaskFile

OLD = Path(__file__).parent / "old" / "digits-v1.safetensors"
"""A file of the first release, for the embedded backbone of then."""


def of_first_release(tiny: Backbone) -> TaskFile:
    """The same file, as it would be for the embedded backbone of today."""
    old = TaskFile.load(OLD)
    stated = {"fingerprint": tiny.identity["weights"]}
    return replace(old, manifest=old.manifest.model_copy(update=stated))


def identity(**changes: Any) -> dict[str, Any]:
    """What the features of the backbone `Facts` depend on."""
    stated = {
        "weights": "ab" * 32,
        "architecture": {"blocks.*.mlp.act": "gelu", "blocks.*.attn.num_heads": 2},
        "preprocessing": {"crop_pct": 0.9, "mean": [0.5, 0.4, 0.3]},
    }
    return stated | changes


@dataclass(frozen=True)
class Facts:
    """A backbone as the store sees it: two layers 6 wide, features 4 wide."""

    name: str = "small"
    fingerprint: str = f"v2:{'12' * 32}"
    identity: Mapping[str, Any] = field(default_factory=identity)
    layer_dims: tuple[int, ...] = (6, 6)
    feature_dim: int = 4
    pooling: str = "token"
    input_size: tuple[int, int, int] = (3, 48, 48)
    mean: tuple[float, float, float] = (0.5, 0.4, 0.3)
    std: tuple[float, float, float] = (0.2, 0.2, 0.1)


def manifest(**changes: Any) -> Manifest:
    """Deep prompts of three tokens in two layers and a linear head of three classes."""
    return Manifest(**manifest_fields(**changes))


def manifest_fields(**changes: Any) -> dict[str, Any]:
    """The same as plain fields, so that a test may break them."""
    fields: dict[str, Any] = {
        "task": "flowers",
        "method": "vpt-deep",
        "backbone": "small",
        "fingerprint": f"v2:{'12' * 32}",
        "identity": identity(),
        "layers": 2,
        "tokens": 3,
        "pooling": "token",
        "head": "linear",
        "labels": ("daisy", "rose", "tulip"),
        "activation": "softmax",
        "input_size": (3, 48, 48),
        "mean": (0.5, 0.4, 0.3),
        "std": (0.2, 0.2, 0.1),
        "data": "a folder of 60 images",
        "recipe": {
            "learning_rate": 0.5,
            "epochs": 3,
            "augment": True,
            "optimizer": "sgd",
            "warm_up": None,
        },
        "metrics": {"accuracy": 0.75},
        "created": datetime(2025, 5, 4, 3, 2, 1, tzinfo=UTC),
        "description": "",
    }
    return fields | changes


def task_file(*, seed: int = 0, hidden: tuple[int, ...] = (), **changes: Any) -> TaskFile:
    """A task file of random values; `hidden` are the widths of an MLP head's hidden layers."""
    random = torch.Generator().manual_seed(seed)
    about = manifest(head="mlp" if hidden else "linear", **changes)
    prompts = tuple(torch.randn(about.tokens, 6, generator=random) for _ in range(about.layers))
    widths = (4, *hidden, len(about.labels))
    layers = tuple(
        (torch.randn(after, before, generator=random), torch.randn(after, generator=random))
        for before, after in pairwise(widths)
    )
    return TaskFile(about, prompts, Head(layers))
