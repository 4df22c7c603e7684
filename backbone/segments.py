"""The layout of a mixed batch: rows of equal shape are adjacent and share attention calls."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .adaptation import Adaptation, Group


@dataclass(frozen=True)
class Segment:
    """Consecutive rows of a batch whose prompts have one shape.

    Attributes:
        runs: the groups in order; each belongs to one task.
        rows: number of images.
    """

    runs: tuple[Group, ...]
    rows: int

    @property
    def prompt_tokens(self) -> int:
        """Prompt tokens that each row carries as tokens of their own."""
        return self.runs[0][0].shape_key[0]

    @property
    def tokens_from(self) -> int:
        """The layer in front of which those join."""
        return self.runs[0][0].tokens_from

    def tokens(self) -> Tensor | None:
        """Return the prompts that travel as tokens, one copy per row: (rows, tokens, dim)."""
        if not self.prompt_tokens:
            return None
        copies = [
            adaptation.tokens.expand(rows, -1, -1)
            for adaptation, rows in self.runs
            if adaptation.tokens is not None  # always so here, since all runs have one shape
        ]
        return torch.cat(copies)

    @property
    def requires_grad(self) -> bool:
        """Whether its prefixes are being learned."""
        return any(pair.requires_grad for run, _ in self.runs for pair in run.keys_values)

    def prefix_tokens(self, layer: int) -> int:
        """Return the length of each row's prefix in a layer."""
        return self.runs[0][0].prefix_tokens(layer)

    def cut(self, rows: int) -> Iterator[tuple["Segment", slice]]:
        """Cut the segment into parts of at most `rows` rows; yield each with its place in it."""
        if torch.compiler.is_exporting() or self.rows <= rows:
            yield self, slice(0, self.rows)
            return
        for start in range(0, self.rows, rows):
            stop = min(start + rows, self.rows)
            yield Segment(tuple(_overlap(self.runs, start, stop)), stop - start), slice(start, stop)

    def extend(self, k: Tensor, v: Tensor, layer: int) -> tuple[Tensor, Tensor]:
        """Put each row's prefix in front of its own keys and values.

        Args:
            k, v: (rows x copies, heads, tokens, head dim); a Swin row has one copy per window.

        Returns:
            Keys and values, (rows x copies, heads, prefix + tokens, head dim).
        """
        if not self.prefix_tokens(layer):
            return k, v
        keys, values = self._prefixes(layer, k.shape[0])
        return torch.cat((keys, k), dim=2), torch.cat((values, v), dim=2)

    def _prefixes(self, layer: int, count: int) -> Tensor:
        """Return the prefix of each of `count` rows or copies of rows, which are adjacent.

        Returns:
            (2, count, heads, prefix tokens, head dim).
        """
        if len(self.runs) == 1:
            return self.runs[0][0].keys_values[layer].unsqueeze(1).expand(-1, count, -1, -1, -1)
        # One call, however many tasks there are: on a GPU the number of launches counts.
        per_row = [run.keys_values[layer] for run, rows in self.runs for _ in range(rows)]
        stacked = torch.stack(per_row, dim=1)
        if count == self.rows:
            return stacked
        return stacked.repeat_interleave(count // self.rows, dim=1)


def _overlap(runs: Sequence[Group], start: int, stop: int) -> Iterator[Group]:
    """Cut from the runs what lies in the rows from `start` to `stop`."""
    begin = 0  # the first row of the run
    for adaptation, count in runs:
        rows = min(stop, begin + count) - max(start, begin)
        if rows > 0:
            yield adaptation, rows
        begin += count


def arrange(groups: Sequence[Group]) -> tuple[list[Segment], Tensor | None]:
    """Sort groups by shape into segments; within each, tasks with changes alike stand together.

    Returns:
        The segments, and the order in which they take the rows of the batch; None where they take
        them as they are.
    """
    # Sorting is stable: groups of one shape stay in the order of the batch.
    order = sorted(range(len(groups)), key=lambda index: _sort_key(groups[index][0]))
    segments = list(_segments([groups[index] for index in order]))
    if order == list(range(len(groups))):
        return segments, None
    starts = [0]
    for _, rows in groups:
        starts.append(starts[-1] + rows)
    return segments, torch.cat([torch.arange(starts[index], starts[index + 1]) for index in order])


def _sort_key(adaptation: Adaptation) -> tuple[tuple[int, ...], tuple[str, ...]]:
    return adaptation.shape_key, adaptation.changes_key


def restore(x: Tensor, order: Tensor | None) -> Tensor:
    """Bring rows that `arrange` reordered back to the order of the batch."""
    if order is None:
        return x
    return torch.empty_like(x).index_copy(0, order.to(x.device), x)


def _segments(groups: Sequence[Group]) -> Iterator[Segment]:
    """Join neighbours of equal shape, which `arrange` has sorted."""
    runs: list[Group] = []
    for index, group in enumerate(groups):
        runs.append(group)
        if index + 1 == len(groups) or groups[index + 1][0].shape_key != group[0].shape_key:
            yield Segment(tuple(runs), sum(rows for _, rows in runs))
            runs = []
