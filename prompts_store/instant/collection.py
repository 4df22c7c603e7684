"""Examples by label, to add to and to forget from."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Self

import torch
from torch import Tensor

from facet_vision.prompts_store.errors import (
    InvalidExample,
    LastExample,
    NotInstant,
    TooManyExamples,
    UnknownExample,
)
from facet_vision.prompts_store.manifest import label_fault

from .borrowed import NOTHING, ORIGIN, Borrowed
from .facts import ID_BYTES, MAX_EXAMPLES, NEIGHBOURS, ExampleFacts, InstantKind
from .head import InstantHead
from .scale import fit_scale


@dataclass(frozen=True)
class Example:
    """One image to learn from.

    Attributes:
        id: of its file, 2 * ID_BYTES hexadecimal digits.
        feature: (feature_dim,).
    """

    id: str
    feature: Tensor


@dataclass(frozen=True)
class Collection:
    """Labelled examples; every change makes another collection.

    Attributes:
        kind: of head that is made of them.
        labels: the examples of each label by their ids; none is empty.
        neighbours: how many vote, for nearest neighbours.
        borrowed: the adaptation under which they are features.
        dtype: in which features are kept; float16 becomes float32 where one does not fit.
    """

    kind: InstantKind
    labels: Mapping[str, Mapping[str, Tensor]] = field(default_factory=dict)
    neighbours: int = NEIGHBOURS
    borrowed: Borrowed = NOTHING
    dtype: torch.dtype = torch.float16

    @classmethod
    def of(cls, head: InstantHead, labels: Iterable[str], borrowed: Borrowed = NOTHING) -> Self:
        """Return the examples of a head, whose labels are these, under an adaptation."""
        rows = zip(head.names, head.features, strict=True)
        counts = zip(labels, head.facts.counts, strict=True)
        found = {label: dict(islice(rows, count)) for label, count in counts}
        neighbours = head.facts.neighbours or NEIGHBOURS
        return cls(head.kind, found, neighbours, borrowed, head.features.dtype)

    def __len__(self) -> int:
        return sum(map(len, self.labels.values()))

    def add(self, label: str, examples: Iterable[Example]) -> Self:
        """Add examples of a label, which may be new.

        One that is there already stays as it is; under another label it is forgotten.

        Raises:
            InvalidExample: the label is none.
            TooManyExamples: there are too many.
        """
        if (fault := label_fault(label)) is not None:
            raise InvalidExample(f"label: {fault}")
        new = {example.id: example.feature for example in examples}
        others = {name: _without(known, new) for name, known in self.labels.items()}
        there = self.labels.get(label, {})
        made = self._with(others | {label: {**there, **new, **there}})
        if len(made) > MAX_EXAMPLES:
            raise TooManyExamples(
                f"examples: expected at most {MAX_EXAMPLES} of a task, found {len(made)}"
            )
        return made

    def forget_label(self, label: str) -> Self:
        """Forget a label with its examples.

        Raises:
            UnknownExample: there is none of that name.
            LastExample: the task has no other.
        """
        if label not in self.labels:
            raise UnknownExample(
                f"label: expected one of the {len(self.labels)} that the task has, "
                f"found {label[:60]!r}"
            )
        return self._less({name: known for name, known in self.labels.items() if name != label})

    def forget(self, id: str) -> Self:
        """Forget an example; its label goes with the last one.

        Raises:
            UnknownExample: there is none of that id.
            LastExample: the task has no other.
        """
        if not any(id in known for known in self.labels.values()):
            raise UnknownExample(
                f"example: expected the id of one of the {len(self)} that the task has, "
                f"found {id[:60]!r}"
            )
        return self._less(
            {
                label: _without(known, {id: known[id]}) if id in known else known
                for label, known in self.labels.items()
            }
        )

    def equals(self, other: Self) -> bool:
        """Return whether they make the same head of the same labelled examples, in any order."""
        return self.kind == other.kind and {
            label: set(known) for label, known in self.labels.items()
        } == {label: set(known) for label, known in other.labels.items()}

    def uses(self, kind: InstantKind | None) -> Self:
        """Return the same collection if heads of this kind are made of it, or None is asked for.

        Raises:
            NotInstant: the kind is another.
        """
        if kind not in (None, self.kind):
            raise NotInstant(f"method: expected {self.kind}, as the task has, found {kind}")
        return self

    def under(self, borrowed: Borrowed) -> Self:
        """Return the same collection if its examples are features under this adaptation.

        Raises:
            NotInstant: they are features under another one.
        """
        if borrowed.digest != self.borrowed.digest:
            raise NotInstant(
                f"adaptation: expected {_named(self.borrowed)}, under which the task's examples "
                f"are features, found {_named(borrowed)}"
            )
        return self

    def head(self) -> tuple[InstantHead, float | None]:
        """Return the head, and its accuracy on left-out examples as `fit_scale` finds it.

        There must be an example.
        """
        rows = torch.stack([each for known in self.labels.values() for each in known.values()])
        features = rows.to("cpu", self.dtype)
        if not features.isfinite().all():
            features = rows.to("cpu", torch.float32)
        ids = [bytes.fromhex(id) for known in self.labels.values() for id in known]
        counts = tuple(map(len, self.labels.values()))
        neighbours = self.neighbours if self.kind == "knn" else None
        fit = fit_scale(self.kind, features.float(), counts, neighbours)
        facts = ExampleFacts(counts=counts, scale=fit.scale, neighbours=neighbours)
        packed = torch.tensor(list(b"".join(ids)), dtype=torch.uint8).view(-1, ID_BYTES)
        return InstantHead(self.kind, facts, features, packed), fit.accuracy

    def _with(self, labels: Mapping[str, Mapping[str, Tensor]]) -> Self:
        return replace(self, labels={label: known for label, known in labels.items() if known})

    def _less(self, labels: Mapping[str, Mapping[str, Tensor]]) -> Self:
        made = self._with(labels)
        if not made.labels:
            raise LastExample(
                "examples: expected at least one that stays, found that this forgets the last one; "
                "retire the task instead"
            )
        return made


def _named(borrowed: Borrowed) -> str:
    """Return where an adaptation is from, in words."""
    if not borrowed.prompts and not borrowed.parts:
        return "none"
    task, version = (borrowed.origin.get(f"{ORIGIN}{name}") for name in ("of", "version"))
    return f"that of {task!r} version {version}"


def _without(known: Mapping[str, Tensor], ids: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    if known.keys().isdisjoint(ids):
        return known
    return {id: feature for id, feature in known.items() if id not in ids}
