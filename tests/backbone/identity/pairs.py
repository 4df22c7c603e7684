"""Pairs of networks with the same weights, of which one has another option."""

from collections.abc import Callable
from typing import Any

import torch

from facet_vision import backbone
from facet_vision.backbone.identity import fingerprint, identity
from facet_vision.backbone.identity.weights import weights_digest
from tests.backbone.families import build


def rebuilt(variant: str, **options: Any) -> tuple[Any, Any]:
    """The same weights in two networks, the second with other options."""
    one, other = build(variant), build(variant, **options)
    other.load_state_dict(one.state_dict())
    return one, other


def changed(variant: str, change: Callable[[Any], object], **options: Any) -> tuple[Any, Any]:
    """Two networks, the second changed in place."""
    one, other = build(variant, **options), build(variant, **options)
    change(other)
    return one, other


def put(path: str, value: Any, first: int = 0) -> Callable[[Any], None]:
    """A change of one attribute, in all blocks from `first` on if the path says `blocks.`."""

    def change(model: Any) -> None:
        blocks = model.blocks if hasattr(model, "blocks") else model.layers[0].blocks
        inner = path.removeprefix("blocks.")
        for root in blocks[first:] if inner != path else (model,):
            *way, last = inner.split(".")
            setattr(root.get_submodule(".".join(way)), last, value)

    return change


def features(model: Any) -> torch.Tensor:
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return backbone.wrap(model.eval(), device="cpu").features(images)


def of(model: Any) -> dict[str, Any]:
    return identity(model, backbone.Preprocess.of(model))


def check_different(one: Any, other: Any, *, by_weights: bool) -> None:
    """Check that two networks with other features have other fingerprints.

    Args:
        by_weights: whether their weights tell them apart; else their architectures must.
    """
    assert fingerprint(of(one)) != fingerprint(of(other))
    assert (weights_digest(one) == weights_digest(other)) == (not by_weights)
    if not by_weights:
        assert of(one)["architecture"] != of(other)["architecture"]
    assert not torch.allclose(features(one), features(other), atol=1e-4)


def check_same(one: Any, other: Any) -> None:
    """Check that two networks with the same features have the same identity."""
    assert of(one) == of(other)
    torch.testing.assert_close(features(one), features(other))
