"""The changes of a mixed batch, applied to the rows that they belong to."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor

from .adaptation import Group
from .change import ALL, Change, Place, Site


@dataclass(frozen=True)
class _Span:
    """Consecutive rows whose tasks change the same places in the same shapes.

    Attributes:
        runs: the tasks and the number of rows of each.
        rows: where they lie among the rows of the batch.
        tokens: where their tokens lie in a matrix of all rows' tokens.
    """

    runs: tuple[Group, ...]
    rows: slice
    tokens: slice

    @property
    def count(self) -> int:
        """Number of rows."""
        return self.rows.stop - self.rows.start

    def of(self, x: Tensor, rows: int) -> Tensor:
        """Return the span's part of x as (rows of the span, tokens, width), a view.

        Args:
            x: (tokens of all rows, width), or (rows x copies, ..., width).
            rows: of the whole batch.
        """
        if x.ndim == 2:
            return x[self.tokens].unflatten(0, (self.count, -1))
        copies = x.shape[0] // rows
        part = x[self.rows.start * copies : self.rows.stop * copies]
        return part.view(self.count, -1, x.shape[-1])


class LayerChanges:
    """The changes of a batch in one layer.

    Args:
        spans: those of its spans that change something there.
        rows: of the batch.
    """

    def __init__(self, layer: int, spans: Sequence[_Span], rows: int) -> None:
        self._layer = layer
        self._spans = spans
        self._rows = rows

    def any_at(self, *sites: str) -> bool:
        """Whether some row changes something at one of the sites."""
        return any(
            (self._layer, site) in span.runs[0][0].changes for span in self._spans for site in sites
        )

    def apply(self, site: str, x: Tensor, y: Tensor, part: slice = ALL) -> Tensor:
        """Return the site's output with the changes of each row.

        Without gradients and autocast they are written into `y`, which must belong to the caller.

        Args:
            x: the site's input, (tokens of all rows, in) or (rows x copies, ..., in).
            y: its output, likewise.
            part: which of the site's outputs `y` has.
        """
        place = self._layer, site
        changing = [span for span in self._spans if place in span.runs[0][0].changes]
        if not changing:
            return y
        x, y = x.contiguous(), y.contiguous()
        # autocast leaves operations that write into a tensor as they are: dtypes would differ
        if torch.is_grad_enabled() or torch.is_autocast_enabled(y.device.type):
            return self._applied(place, changing, x, y, part)
        for span in changing:
            of_x, of_y = span.of(x, self._rows), span.of(y, self._rows)
            for runs in _kinds(span, place):
                _apply(runs, Site(of_x, of_y, part, of_y))
        return y

    def after(self, site: str, y: Tensor) -> Tensor:
        """Return the output of a site whose changes do not read its input; see `apply`."""
        return self.apply(site, y, y)

    def _applied(
        self, place: Place, changing: Sequence[_Span], x: Tensor, y: Tensor, part: slice
    ) -> Tensor:
        """Do the same without writing into `y`, so that gradients flow."""
        flat = y if y.ndim == 2 else y.flatten(0, -2)
        begin, parts = 0, []
        for span in changing:
            of_x, of_y = span.of(x, self._rows), span.of(y, self._rows)
            for runs in _kinds(span, place):
                of_y = _apply(runs, Site(of_x, of_y, part, None))
            start = self._start(span, y)
            parts += [flat[begin:start], of_y.flatten(0, 1)]
            begin = start + of_y.shape[0] * of_y.shape[1]
        parts.append(flat[begin:])
        return torch.cat([each for each in parts if each.shape[0] != 0]).view(y.shape)

    def _start(self, span: _Span, y: Tensor) -> int:
        """Return at which vector of y the span begins."""
        if y.ndim == 2:
            return span.tokens.start
        return span.rows.start * (math.prod(y.shape[:-1]) // self._rows)


UNCHANGED = LayerChanges(0, (), 1)
"""Changes nothing."""


class Changes:
    """The changes of a batch.

    Args:
        groups: its tasks in the order of its rows, and the number of consecutive rows of each.
        image_tokens: of each row, for layouts in which the tokens of all rows form one matrix; the
            prompts that travel as tokens come on top of them.
    """

    def __init__(self, groups: Sequence[Group], image_tokens: int = 0) -> None:
        self._layers = {layer for adaptation, _ in groups for layer, _ in adaptation.changes}
        # Most batches change nothing but prompts.
        spans = list(_spans(groups, image_tokens)) if self._layers else []
        self._spans = [span for span in spans if span.runs[0][0].changes]
        self._rows = sum(rows for _, rows in groups)

    def layer(self, index: int) -> LayerChanges:
        """Return those of one layer."""
        if index not in self._layers:
            return UNCHANGED
        return LayerChanges(index, self._spans, self._rows)


def _spans(groups: Sequence[Group], image_tokens: int) -> Iterator[_Span]:
    row = token = 0
    for _, members in groupby(groups, key=lambda group: (_tokens(group), group[0].changes_key)):
        runs = tuple(members)
        stop = row + sum(count for _, count in runs)
        end = token + (stop - row) * (image_tokens + _tokens(runs[0]))
        yield _Span(runs, slice(row, stop), slice(token, end))
        row, token = stop, end


def _tokens(group: Group) -> int:
    """Return how many tokens of its own each row of a task has."""
    tokens = group[0].tokens
    return 0 if tokens is None else len(tokens)


def _kinds(span: _Span, place: Place) -> Iterator[list[tuple[Change, int]]]:
    """Yield the changes at a place kind by kind, with the number of rows of each."""
    of_each = [adaptation.changes[place] for adaptation, _ in span.runs]
    for changes in zip(*of_each, strict=True):
        yield [(change, rows) for change, (_, rows) in zip(changes, span.runs, strict=True)]


def _apply(runs: Sequence[tuple[Change, int]], site: Site) -> Tensor:
    return type(runs[0][0]).apply(runs, site)
