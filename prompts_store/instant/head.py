"""The head of an instant task as its file keeps it: the features of its examples."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import torch
from torch import Tensor

from facet_vision.prompts_store.confidence.distance import Distance
from facet_vision.prompts_store.confidence.threshold import Threshold
from facet_vision.prompts_store.errors import InvalidTensors, shown
from facet_vision.prompts_store.head import Head
from facet_vision.prompts_store.layout import FEATURES, IDS
from facet_vision.prompts_store.manifest import Manifest

from .distance import distance_of, threshold_of
from .facts import INSTANT_KINDS, ExampleFacts, InstantKind
from .linear import linear_head
from .neighbours import NeighbourHead, neighbour_head


@dataclass(frozen=True, eq=False)
class InstantHead:
    """Examples, of which `to` makes the head that computes.

    The examples are kept, and not sums of them, so that each can be forgotten exactly, the scale
    can be fitted to examples that are left out, and any kind of head can be made of them.

    Attributes:
        kind: of head that they make.
        facts: as in the manifest.
        features: (examples, feature_dim), label by label; float16, bfloat16 or float32.
        ids: (examples, ID_BYTES) uint8, the first bytes of the sha256 of each image's file.
    """

    kind: InstantKind
    facts: ExampleFacts
    features: Tensor
    ids: Tensor

    @property
    def feature_dim(self) -> int:
        """Width of the pooled feature that the head reads."""
        return self.features.shape[1]

    @property
    def classes(self) -> int:
        """Number of logits per image."""
        return len(self.facts.counts)

    @property
    def nbytes(self) -> int:
        """Bytes that the examples take."""
        return self.features.nbytes + self.ids.nbytes

    @cached_property
    def names(self) -> list[str]:
        """The id of each example in hexadecimal digits."""
        return [bytes(row).hex() for row in self.ids.tolist()]

    def distance(self) -> Distance | None:
        """Return how far features are from the examples; None where these do not vary."""
        return distance_of(self.features, self.facts.counts)

    def threshold(self) -> Threshold | None:
        """Return how far they may be, of examples left out one by one; None for too few."""
        return threshold_of(self.features, self.facts.counts)

    def tensors(self) -> dict[str, Tensor]:
        """Return all tensors by their names in the file."""
        return {FEATURES: self.features, IDS: self.ids}

    @classmethod
    def of(cls, manifest: Manifest, tensors: Mapping[str, Tensor]) -> Self:
        """Return the head of a file, whose names and shapes have been checked."""
        kind, facts = manifest.head, manifest.examples
        assert kind in INSTANT_KINDS, "a manifest with examples is that of an instant task"
        assert facts is not None, "a manifest with examples is that of an instant task"
        return cls(kind, facts, tensors[FEATURES], tensors[IDS])

    def check(self, manifest: Manifest) -> None:
        """Raise InvalidTensors where it is not what the manifest says, or an id is there twice."""
        if (self.kind, self.facts) != (manifest.head, manifest.examples):
            raise InvalidTensors(
                f"head: expected the examples that the manifest describes, {manifest.head!r} with "
                f"{shown(manifest.examples)}, found {self.kind!r} with {shown(self.facts)}"
            )
        if (twice := _twice(self.names)) is not None:
            raise InvalidTensors(
                f"values of '{IDS}': expected every example once, found {twice} twice"
            )

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> Head | NeighbourHead:
        """Return the head that the examples make, on a device and in a dtype.

        By default it is on the device of the features, in their dtype. It is made in float64.
        """
        dtype = dtype or self.features.dtype
        head: Head | NeighbourHead
        if self.kind == "knn":
            head = neighbour_head(self.features, self.facts)
        else:
            head = linear_head(self.kind, self.features, self.facts)
        return head.to(device or self.features.device, dtype)


def _twice(names: Iterable[str]) -> str | None:
    seen = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None
