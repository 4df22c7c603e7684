"""Preprocessed images by the batch: all at once in memory, or decoded as they are needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from math import prod
from typing import Protocol

import torch
from torch import Tensor

from facet_vision.backbone import Preprocess

from .datasets import Examples

MEMORY_BUDGET = 2 * 2**30
"""Bytes of preprocessed images that are kept; a larger set is decoded anew in every epoch."""


class Inputs(Protocol):
    """Rows that a method's forward takes: preprocessed images, or features of frozen layers."""

    def __len__(self) -> int: ...

    def batches(self, indices: Iterable[Tensor]) -> Iterator[Tensor]:
        """One tensor (len(rows), ...) for every tensor of row numbers."""
        ...

    def of_epoch(self, epoch: int, /) -> Inputs:
        """The rows as this epoch sees them, counted from 0; random augmentation differs from epoch to epoch."""
        ...


class InMemory:
    """Rows of one tensor."""

    def __init__(self, rows: Tensor) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def batches(self, indices: Iterable[Tensor]) -> Iterator[Tensor]:
        return (self.rows[rows] for rows in indices)

    def of_epoch(self, _epoch: int, /) -> Inputs:
        return self


class Streamed:
    """Images that are decoded and preprocessed on demand, one batch ahead of its use."""

    def __init__(self, examples: Examples, preprocess: Preprocess) -> None:
        self.examples, self.preprocess = examples, preprocess

    def __len__(self) -> int:
        return len(self.examples)

    def batches(self, indices: Iterable[Tensor]) -> Iterator[Tensor]:
        with ThreadPoolExecutor() as pool:
            ahead: list = []
            for rows in chain(indices, [None]):
                ready, ahead = (
                    ahead,
                    [] if rows is None else [pool.submit(self._row, int(i)) for i in rows],
                )
                if ready:
                    yield torch.stack([row.result() for row in ready])

    def of_epoch(self, _epoch: int, /) -> Inputs:
        return self

    def _row(self, index: int) -> Tensor:
        return self.preprocess(self.examples.image(index, self.preprocess.enough))


@dataclass(frozen=True)
class Through:
    """Rows that pass through a frozen function whenever they are asked for."""

    function: Callable[[Tensor], Tensor]
    rows: Inputs

    def __len__(self) -> int:
        return len(self.rows)

    def batches(self, indices: Iterable[Tensor]) -> Iterator[Tensor]:
        return (self.function(batch) for batch in self.rows.batches(indices))

    def of_epoch(self, epoch: int, /) -> Inputs:
        return Through(self.function, self.rows.of_epoch(epoch))


def computed(function: Callable[[Tensor], Tensor], rows: Inputs) -> Tensor:
    """What a frozen function makes of all rows, on the CPU."""
    with torch.no_grad():
        return torch.cat([function(batch).cpu() for batch in rows.batches(in_order(len(rows), 64))])


def through(function: Callable[[Tensor], Tensor], rows: Inputs) -> Inputs:
    """What a frozen function makes of the rows: computed once where they are in memory."""
    return (
        InMemory(computed(function, rows))
        if isinstance(rows, InMemory)
        else Through(function, rows)
    )


def prepare(examples: Examples, preprocess: Preprocess, *, budget: int = MEMORY_BUDGET) -> Inputs:
    """Preprocess `examples` exactly as serving does; keep the tensors if they fit in `budget` bytes."""
    streamed = Streamed(examples, preprocess)
    if 4 * prod(preprocess.input_size) * len(examples) > budget:
        return streamed
    return InMemory(torch.cat(list(streamed.batches(in_order(len(examples), 64)))))


def in_order(count: int, batch_size: int) -> Iterable[Tensor]:
    """Row numbers 0 to count - 1 by the batch."""
    return torch.arange(count).split(batch_size)
