"""Preprocessed images by the batch, from memory or decoded on demand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from math import prod
from typing import Protocol

import torch
from torch import Tensor

from facet_vision.backbone import Preprocess

from .datasets import Examples

MEMORY_BUDGET_BYTES = 2 * 2**30
"""Largest set of preprocessed images held in memory; a larger one is decoded in every epoch."""

KEPT_BYTES = 256 * 2**20
"""Largest set of preprocessed images that is kept from one training to the next."""

BATCH_IMAGES = 64
"""Images per batch where features or pixels are computed once."""


class Inputs(Protocol):
    """Rows that a method's forward takes: preprocessed images, or features of frozen layers."""

    def __len__(self) -> int: ...

    def batches(self, indices: Iterable[Tensor]) -> Iterator[Tensor]:
        """Yield one tensor (len(rows), ...) for every tensor of row numbers."""
        ...

    def of_epoch(self, epoch: int, /) -> Inputs:
        """Return the rows of an epoch, counted from 0; random augmentation differs by epoch."""
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
    """Images that are decoded and preprocessed on demand, one batch ahead of their use."""

    def __init__(self, examples: Examples, preprocess: Preprocess) -> None:
        self.examples = examples
        self.preprocess = preprocess

    def __len__(self) -> int:
        return len(self.examples)

    def batches(self, indices: Iterable[Tensor]) -> Iterator[Tensor]:
        with ThreadPoolExecutor() as pool:
            ahead: list[Future[Tensor]] = []
            for rows in chain(indices, [None]):  # None: only the last batch is left to yield
                ready = ahead
                # the next batch is submitted before this one is awaited, so that the pool decodes
                # while the caller computes
                ahead = [] if rows is None else [pool.submit(self._row, int(i)) for i in rows]
                if ready:
                    yield torch.stack([row.result() for row in ready])

    def of_epoch(self, _epoch: int, /) -> Inputs:
        return self

    def _row(self, index: int) -> Tensor:
        return self.preprocess(self.examples.image(index, self.preprocess.enough))


@dataclass(frozen=True)
class MappedInputs:
    """Rows to which a frozen function is applied on every use."""

    function: Callable[[Tensor], Tensor]
    rows: Inputs

    def __len__(self) -> int:
        return len(self.rows)

    def batches(self, indices: Iterable[Tensor]) -> Iterator[Tensor]:
        return (self.function(batch) for batch in self.rows.batches(indices))

    def of_epoch(self, epoch: int, /) -> Inputs:
        return MappedInputs(self.function, self.rows.of_epoch(epoch))


def compute_rows(function: Callable[[Tensor], Tensor], rows: Inputs) -> Tensor:
    """Apply a frozen function to all rows and return the result on the CPU."""
    with torch.no_grad():
        batches = rows.batches(in_order(len(rows), BATCH_IMAGES))
        return torch.cat([function(batch).cpu() for batch in batches])


def map_inputs(function: Callable[[Tensor], Tensor], rows: Inputs) -> Inputs:
    """Apply a frozen function to the rows, once for all where they are in memory."""
    if isinstance(rows, InMemory):
        return InMemory(compute_rows(function, rows))
    return MappedInputs(function, rows)


def prepare(
    examples: Examples, preprocess: Preprocess, *, budget: int = MEMORY_BUDGET_BYTES
) -> Inputs:
    """Preprocess `examples` exactly as the server does.

    Args:
        examples: once preprocessed, those that keep something are not preprocessed again.
        budget: bytes; the tensors are held in memory if they fit.
    """
    kept = examples.kept if examples.kept is not None else {}
    if preprocess in kept:
        return kept[preprocess]
    streamed = Streamed(examples, preprocess)
    size = _bytes(examples, preprocess)
    if size > budget:
        return streamed
    rows = InMemory(torch.cat(list(streamed.batches(in_order(len(examples), BATCH_IMAGES)))))
    if size <= KEPT_BYTES:
        kept[preprocess] = rows
    return rows


def keep(examples: Examples, preprocess: Preprocess) -> None:
    """Preprocess examples whose tensors will be kept, so that no later use pays for it."""
    if examples.kept is not None and _bytes(examples, preprocess) <= KEPT_BYTES:
        prepare(examples, preprocess)


def _bytes(examples: Examples, preprocess: Preprocess) -> int:
    return 4 * prod(preprocess.input_size) * len(examples)  # float32


def in_order(count: int, batch_size: int) -> Iterable[Tensor]:
    """Return the row numbers 0 to count - 1 by the batch."""
    return torch.arange(count).split(batch_size)
