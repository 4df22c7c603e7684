"""Nearest neighbours as a head: the examples that an image is most similar to vote.

As in Wu et al. 2018, "Unsupervised Feature Learning via Non-Parametric Instance Discrimination",
and Caron et al. 2021, "Emerging Properties in Self-Supervised Vision Transformers": each of the k
nearest by cosine similarity s votes for its label with the weight exp(s / temperature). There the
temperature is 0.07; here its inverse, the scale, is fitted.
"""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from .facts import ExampleFacts

WIDEST = 2.0
"""Largest difference of two cosines. Labels without a vote are as far behind the best example."""


@dataclass(frozen=True, eq=False)
class NeighbourHead:
    """Examples of which the most similar ones vote.

    Attributes:
        directions: features of the examples at length one, (examples, feature_dim).
        targets: the label of each, (examples,) int64.
        classes: number of labels.
        neighbours: how many examples vote.
        scale: of the similarities.
    """

    directions: Tensor
    targets: Tensor
    classes: int
    neighbours: int
    scale: float

    @property
    def feature_dim(self) -> int:
        """Width of the pooled feature that the head reads."""
        return self.directions.shape[1]

    @property
    def nbytes(self) -> int:
        """Bytes that the examples take."""
        return self.directions.nbytes + self.targets.nbytes

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> "NeighbourHead":
        """Return the same head on another device or in another dtype; None changes nothing."""
        directions = self.directions.to(device=device, dtype=dtype)
        return replace(self, directions=directions, targets=self.targets.to(device=device))

    def __call__(self, features: Tensor) -> Tensor:
        """Return logits (batch, classes) of features (batch, feature_dim); dtypes must agree.

        They are logarithms of votes: under softmax each label has its share of them.
        """
        similarities = F.normalize(features, dim=-1) @ self.directions.T
        nearest = similarities.topk(min(self.neighbours, len(self.directions)), sorted=False)
        return votes(nearest.values, self.targets[nearest.indices], self.classes, self.scale)


def neighbour_head(features: Tensor, facts: ExampleFacts) -> NeighbourHead:
    """Return the head in float64 on the CPU, of features (examples, feature_dim)."""
    counts = torch.tensor(facts.counts)
    targets = torch.arange(len(counts)).repeat_interleave(counts)
    directions = F.normalize(features.detach().cpu().double(), dim=-1)
    assert facts.neighbours is not None, "a manifest of neighbours says how many vote"
    return NeighbourHead(directions, targets, len(counts), facts.neighbours, facts.scale)


def votes(similarities: Tensor, targets: Tensor, classes: int, scale: float) -> Tensor:
    """Return the logarithm of the votes for each label, (rows, classes).

    Args:
        similarities: of the neighbours, (rows, neighbours).
        targets: the label of each neighbour, (rows, neighbours).
        classes: number of labels.
        scale: of the similarities.
    """
    # Relative to the most similar one, so that no power is too large.
    best = similarities.amax(-1, keepdim=True)
    weights = ((similarities - best) * scale).exp()
    empty = weights.new_zeros(*weights.shape[:-1], classes)
    return empty.scatter_add(-1, targets, weights).log().clamp_min(-WIDEST * scale)
