"""Heads that are made of the training images' features in one pass, without a gradient.

How they are made, and from which papers, is in `prompts_store.instant`.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from facet_vision.backbone import Backbone
from facet_vision.prompts_store import Classifier, InstantHead
from facet_vision.prompts_store.instant.collection import Collection, Example
from facet_vision.prompts_store.instant.facts import MAX_EXAMPLES, InstantKind
from facet_vision.prompts_store.instant.file import example_id
from facet_vision.training.data.datasets import TaskData
from facet_vision.training.data.images import InMemory, Inputs, compute_rows
from facet_vision.training.errors import TrainingError
from facet_vision.training.recipe import Recipe

from .method import Method


class Instant(Method):
    """Keeps the features of the training images; it has no parameters, and `solve` in place of fit.

    Attributes:
        kind: of head that is made of the features.
    """

    extracts = True
    uses: ClassVar[frozenset[str]] = frozenset()
    # A recipe has to have a rate; this method reads none.
    defaults: ClassVar = {"lr": 1.0}
    kind: ClassVar[InstantKind]

    def __init__(
        self, backbone: Backbone, classes: int, recipe: Recipe, generator: torch.Generator
    ) -> None:
        super().__init__(backbone, classes, recipe, generator)
        self.head = nn.Identity()
        self._made: tuple[InstantHead, Classifier] | None = None

    @classmethod
    def reads(cls) -> frozenset[str]:
        """Return the fields of a recipe that it reads and not every method does."""
        return cls.uses

    def frozen_part(self, images: Tensor) -> Tensor:
        return self.backbone.features(images).float()

    def prepare(self, images: Inputs) -> Inputs:
        """Extract the features once: (images, feature_dim)."""
        return InMemory(compute_rows(self.frozen_part, images))

    def features(self, inputs: Tensor) -> Tensor:
        return inputs.to(self.backbone.device)

    def solve(self, inputs: Inputs, data: TaskData) -> None:
        """Make the head of the training part.

        An image that is there twice counts once; under several labels, it has the last of them.

        Args:
            inputs: the training part as `prepare` gives it.
            data: its images and labels.

        Raises:
            TrainingError: there are too many images, several labels on an image, or a label
                without one.
        """
        self._check(data)
        (rows,) = inputs.batches([torch.arange(len(inputs))])
        collection = Collection(self.kind, neighbours=self.recipe.neighbours, dtype=torch.float32)
        targets = data.targets(data.train)
        for index, label in enumerate(data.labels):
            own = (targets == index).nonzero().flatten().tolist()
            examples = [Example(example_id(data.train.encoded(row)), rows[row]) for row in own]
            collection = collection.add(label, examples)
        if lost := [label for label in data.labels if label not in collection.labels]:
            raise TrainingError(
                f"data: expected for each label an image that no other label has, "
                f"found none for {lost[0]!r}"
            )
        head, _ = collection.head()
        self._made = head, head.to(self.backbone.device, torch.float32)

    def forward(self, inputs: Tensor) -> Tensor:
        """Compute the logits (batch, classes)."""
        return self._solved[1](self.features(inputs))

    def written_head(self) -> InstantHead:
        return self._solved[0]

    @property
    def _solved(self) -> tuple[InstantHead, Classifier]:
        assert self._made is not None, "solve() comes first"
        return self._made

    def _check(self, data: TaskData) -> None:
        if data.multi_label:
            raise TrainingError(
                f"method {self.name}: expected one label on each image, found several"
            )
        if len(data.train) > MAX_EXAMPLES:
            raise TrainingError(
                f"method {self.name}: expected at most {MAX_EXAMPLES} training images, found "
                f"{len(data.train)}; --shots or --fraction takes a part of them"
            )


class NearestClassMean(Instant):
    """Gives an image the label whose mean feature is nearest."""

    name = "ncm"
    kind = "ncm"


class NearestNeighbours(Instant):
    """Lets the most similar training images vote."""

    name = "knn"
    kind = "knn"
    uses = frozenset({"neighbours"})


class DiscriminantAnalysis(Instant):
    """Gives an image the label whose mean is nearest, measured by the spread within labels."""

    name = "lda"
    kind = "lda"
