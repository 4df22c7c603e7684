"""Whether the base that an adapter names may be a backbone, as far as names tell."""

from __future__ import annotations

import re
from typing import Any

from facet_vision.backbone import Backbone
from facet_vision.training.errors import ExchangeError

from .adapter import Adapter

SWIN = "Swin"
VIT = "ViT"
FAMILIES = {"vit": VIT, "deit": VIT, "deit3": VIT, "dino": VIT, "dinov2": VIT, "swin": SWIN} | {
    word: word
    for word in (
        *("swinv2", "beit", "beitv2", "data2vec", "eva", "eva02", "dinov3", "levit", "pvt", "mvit"),
        *("convnext", "convnextv2", "resnet", "resnext", "regnet", "efficientnet", "mobilenet"),
        *("mobilevit", "poolformer", "cvt", "focalnet", "hiera", "segformer"),
    )
}
"""Words of names of networks, and the family that each tells."""

SIZES = ("tiny", "small", "base", "large", "huge", "giant")

PIXELS = frozenset(map(str, (160, 192, 224, 240, 256, 288, 336, 378, 384, 448, 512, 518, 560)))
_NAME = re.compile(r"([\w.-]+/)?[\w.-]+")
"""A repository of the hub or a name of timm; a path of a folder tells nothing."""


def check_base(adapter: Adapter, backbone: Backbone, *, own_weights: bool = False) -> None:
    """Compare the base's name with the backbone, and the adapter's head with its pooling.

    Weights cannot be compared: an adapter tells nothing of those of its base.

    Args:
        own_weights: whether the backbone's weights came from a file of the user's, so that its
            name says nothing of them.

    Raises:
        ExchangeError: they are different networks.
    """
    base = adapter.config.base_model_name_or_path or ""
    if _NAME.fullmatch(base) and not base.startswith("."):
        _check_traits(base, backbone)
        if not own_weights:
            _check_tag(base, backbone)
    _check_head(adapter, backbone)


def _check_traits(base: str, backbone: Backbone) -> None:
    """Compare family, size, patch, window and pixels, where both tell theirs."""
    ours = _traits(_architecture(backbone)) | _facts(backbone)
    for trait, found in _traits(base.rpartition("/")[2]).items():
        if trait == "pixels" and backbone.resampled:
            continue  # the base's positions, at another size
        if trait in ours and ours[trait] != found:
            raise ExchangeError(
                f"base_model_name_or_path: expected a base of {trait} {ours[trait]}, as "
                f"{backbone.name} has, found {base!r}"
            )


def _check_tag(base: str, backbone: Backbone) -> None:
    """Compare which of an architecture's weights two names of timm mean."""
    theirs, _, tag = base.rpartition("/")[2].partition(".")
    ours, _, own = backbone.name.rpartition("/")[2].partition(".")
    if theirs == ours and tag and own and tag != own:
        raise ExchangeError(
            f"base_model_name_or_path: expected the weights {own!r}, as {backbone.name} has, "
            f"found {base!r}"
        )


def _check_head(adapter: Adapter, backbone: Backbone) -> None:
    """Check that the head reads what the backbone gives."""
    if adapter.wrapper == "deit.":
        raise ExchangeError(
            "base_model_name_or_path: expected a base whose feature is that of one token, found a "
            "'deit' of transformers, which has a distillation token as well"
        )
    if hasattr(backbone.model, "head_dist"):
        raise ExchangeError(
            f"backbone: expected one whose feature a single head reads, found {backbone.name}, "
            "which has two heads for two tokens"
        )
    if adapter.wrapper == "vit." and backbone.pooling != "token":
        raise ExchangeError(
            f"pooling of {backbone.name}: expected 'token', which the head of a 'vit' classifier "
            f"reads, found {backbone.pooling!r}"
        )
    weight = adapter.head[0]
    if weight.ndim != 2 or weight.shape[1] != backbone.feature_dim:
        raise ExchangeError(
            f"shape of the head: expected [labels, {backbone.feature_dim}], the feature of "
            f"{backbone.name}, found {list(weight.shape)}"
        )


def _architecture(backbone: Backbone) -> str:
    config = getattr(backbone.model, "pretrained_cfg", None) or {}
    return str(config.get("architecture") or backbone.name)


def _facts(backbone: Backbone) -> dict[str, Any]:
    """Return what the network itself tells, whatever it is called."""
    kind = type(backbone.model).__name__
    height = backbone.input_size[1]
    patch: Any = backbone.model.patch_embed
    return {
        "family": SWIN if kind.startswith("Swin") else VIT,
        "patch": patch.patch_size[0],
        "pixels": height,
    }


def _traits(name: str) -> dict[str, Any]:
    """Return what a name tells: vit-base-patch16-224 is a ViT, base, of patch 16, 224 pixels.

    A name with two words for one trait, as of a data set called tiny, tells nothing of it.
    """
    name = name.lower()
    words = re.split(r"[-_.]", name)
    told: dict[str, set[Any]] = {
        "family": {FAMILIES[word] for word in words if word in FAMILIES},
        "size": {word for word in words if word in SIZES},
        "patch": set(map(int, re.findall(r"patch_?(\d+)", name))),
        "window": set(map(int, re.findall(r"window_?(\d+)", name))),
        "pixels": {int(word) for word in words if word in PIXELS},
    }
    return {trait: next(iter(values)) for trait, values in told.items() if len(values) == 1}
