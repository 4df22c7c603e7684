"""The encoded form of all that a task changes in the forward."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from torch import Tensor

from .change import Change, Place


@dataclass(frozen=True, eq=False)
class Adaptation:
    """What one task changes in the forward: encoded once, applied to every image of the task.

    Deep prompts are replaced in front of every layer, so only their keys and values are ever read:
    `keys_values` has one (2, heads, tokens, head dim) tensor for each layer, with learned keys and
    values in front of those of prompts. Shallow prompts live on through the layers, so they stay
    `tokens`, (tokens, dim), and join the image's tokens in front of the layer `tokens_from`.
    Everything else is in `changes`, by layer and site. All are empty for a task that is no more
    than a head.
    """

    tokens: Tensor | None = None
    tokens_from: int = 0
    keys_values: tuple[Tensor, ...] = ()
    changes: Mapping[Place, tuple[Change, ...]] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether the task changes nothing: then its features are those of the bare backbone."""
        return self.tokens is None and not self.keys_values and not self.changes

    @cached_property
    def shape_key(self) -> tuple[int, ...]:
        """Token count, the layer that they join, then prefix length per layer.

        Rows of tasks with equal keys can share one attention call.
        """
        extra = 0 if self.tokens is None else len(self.tokens)
        return (extra, self.tokens_from, *(layer.shape[2] for layer in self.keys_values))

    @cached_property
    def changes_key(self) -> tuple[str, ...]:
        """Place, kind and shapes of each change.

        Rows of tasks with equal keys can share one product for each change.
        """
        return tuple(
            f"{layer}.{site}.{change.key}"
            for (layer, site), changes in sorted(self.changes.items())
            for change in changes
        )

    def prefix_tokens(self, layer: int) -> int:
        """Return how many keys and values stand in front of a row's own in a layer."""
        return self.keys_values[layer].shape[2] if layer < len(self.keys_values) else 0

    def tensors(self) -> Iterator[Tensor]:
        """Yield every tensor that it holds."""
        if self.tokens is not None:
            yield self.tokens
        yield from self.keys_values
        for changes in self.changes.values():
            for change in changes:
                yield from change.tensors()

    @cached_property
    def nbytes(self) -> int:
        """Bytes that it holds on the device."""
        return sum(tensor.nbytes for tensor in self.tensors())


Group = tuple[Adaptation, int]
"""What a task changes, encoded, and its number of consecutive rows in a batch."""
