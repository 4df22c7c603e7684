"""The check that a task belongs to a given backbone."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from .errors import WrongBackbone, shown
from .manifest import Manifest


class BackboneFacts(Protocol):
    """Properties that a task file must agree with; `input_size` is (3, height, width) in pixels.

    `identity` holds "weights", "architecture" and "preprocessing" as a manifest's identity does.
    """

    @property
    def name(self) -> str: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def identity(self) -> Mapping[str, Any]: ...
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


def trusted(manifest: Manifest) -> str | None:
    """Say what could not be compared of a task that fits; None if everything could."""
    if manifest.identity is not None:
        return None
    return (
        f"the file of task '{manifest.task}' has a fingerprint of the weights alone, so its "
        "backbone's activations, heads, crop and the like could not be compared"
    )


def _differences(
    manifest: Manifest, prompt_dims: tuple[int, ...], feature_dim: int, facts: BackboneFacts
) -> Iterator[tuple[str, object, object]]:
    """Yield (field, expected, found) where they differ, the most telling first."""
    yield from _other_identity(manifest, facts)
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


def _other_identity(
    manifest: Manifest, facts: BackboneFacts
) -> Iterator[tuple[str, object, object]]:
    """Yield what differs in weights, architecture and preprocessing.

    A fingerprint of version 1 is the hash of the weights. What its file says of pooling, size and
    normalisation is compared for all files; the rest of it cannot be known (`trusted`).
    """
    stated = manifest.identity
    weights = manifest.fingerprint if stated is None else stated.weights
    if weights != facts.identity["weights"]:
        yield (
            "fingerprint (weights)",
            facts.identity["weights"],
            f"{weights} ('{manifest.backbone}')",
        )
    if stated is None:
        return
    parts = {"architecture": stated.architecture, "preprocessing": stated.preprocessing}
    for part, theirs in parts.items():
        ours = facts.identity[part]
        for option in sorted({*ours, *theirs}):
            expected, found = ours.get(option), theirs.get(option)
            if expected != found:
                yield f"fingerprint ({part}, {option[:80]})", shown(expected), shown(found)
    if manifest.fingerprint != facts.fingerprint:
        yield "fingerprint", facts.fingerprint, manifest.fingerprint
