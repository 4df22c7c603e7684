"""The check that a task belongs to a given backbone."""

import math
from collections.abc import Iterator, Sequence
from typing import Protocol

from .errors import WrongBackbone
from .manifest import Manifest


class BackboneFacts(Protocol):
    """Properties that a task file must agree with; `input_size` is (3, height, width) in pixels."""

    @property
    def name(self) -> str: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def layer_dims(self) -> tuple[int, ...]: ...
    @property
    def feature_dim(self) -> int: ...
    @property
    def pooling(self) -> str: ...
    @property
    def input_size(self) -> tuple[int, int, int]: ...
    @property
    def mean(self) -> tuple[float, float, float]: ...
    @property
    def std(self) -> tuple[float, float, float]: ...


def check_fits(
    manifest: Manifest, prompt_dims: Sequence[int], feature_dim: int, facts: BackboneFacts
) -> None:
    """Raise WrongBackbone with the first field in which task and backbone differ.

    Args:
        prompt_dims: width of each prompt tensor.
        feature_dim: width that the head reads.
    """
    for field, expected, found in _differences(manifest, tuple(prompt_dims), feature_dim, facts):
        raise WrongBackbone(
            f"{field} of task '{manifest.task}': expected {expected} as backbone '{facts.name}' "
            f"has, found {found}"
        )


def _differences(
    manifest: Manifest, prompt_dims: tuple[int, ...], feature_dim: int, facts: BackboneFacts
) -> Iterator[tuple[str, object, object]]:
    """Yield (field, expected, found) where they differ, the most telling first."""
    if manifest.fingerprint != facts.fingerprint:
        yield "fingerprint", facts.fingerprint, f"{manifest.fingerprint} ('{manifest.backbone}')"
    if manifest.pooling != facts.pooling:
        yield "pooling", repr(facts.pooling), repr(manifest.pooling)
    depth = len(facts.layer_dims)
    if len(prompt_dims) not in (0, 1, depth):
        yield "number of prompted layers", f"0, 1 or {depth}", len(prompt_dims)
    for layer, (expected, found) in enumerate(zip(facts.layer_dims, prompt_dims, strict=False)):
        if expected != found:
            yield f"prompt width in layer {layer}", expected, found
    if feature_dim != facts.feature_dim:
        yield "input width of the head", facts.feature_dim, feature_dim
    if tuple(manifest.input_size) != tuple(facts.input_size):
        yield "input size", list(facts.input_size), list(manifest.input_size)
    for field, ours, theirs in (
        ("mean", manifest.mean, facts.mean),
        ("std", manifest.std, facts.std),
    ):
        # A tolerance, since the backbone's numbers may have passed through float32.
        if not all(math.isclose(a, b, abs_tol=1e-6) for a, b in zip(ours, theirs, strict=True)):
            yield f"normalisation {field}", list(theirs), list(ours)
