"""The encoded prompts of a task."""

from dataclasses import dataclass
from functools import cached_property

from torch import Tensor


@dataclass(frozen=True, eq=False)
class Prefix:
    """The encoded prompts of one task: computed once, used by every image.

    Deep prompts are replaced in front of every layer, so only their keys and values are ever read:
    `keys_values` has one (2, heads, tokens, head dim) tensor for each layer. Shallow prompts live
    on through the layers, so they stay `tokens`, (tokens, dim), and join the image's tokens. Both
    are empty for a task without prompts.
    """

    tokens: Tensor | None = None
    keys_values: tuple[Tensor, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether the task has no prompts: then its features are those of the bare backbone."""
        return self.tokens is None and not self.keys_values

    @cached_property
    def shape_key(self) -> tuple[int, ...]:
        """Token count, then prefix length per layer.

        Rows of tasks with equal keys can share one attention call.
        """
        extra = 0 if self.tokens is None else len(self.tokens)
        return (extra, *(layer.shape[2] for layer in self.keys_values))

    @property
    def nbytes(self) -> int:
        """Bytes that the encoded prompts hold on the device."""
        tokens = 0 if self.tokens is None else self.tokens.nbytes
        return tokens + sum(layer.nbytes for layer in self.keys_values)
