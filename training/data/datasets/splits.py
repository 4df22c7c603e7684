"""Parts of a data set, drawn by a seed with balanced classes.

There are parts to hold out, to choose hyperparameters on, of few shots, and of a share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from facet_vision.training.errors import DataError

from .examples import Examples, Target, TaskData, indices
from .sealed import SEALED


def hold_out(
    examples: Examples, labels: Sequence[str], *, share: float, seed: int
) -> tuple[Examples, Examples]:
    """Return what is left and what is held out.

    Held out is `share` of every class, at least one image and never all.

    Raises:
        DataError: a class has a single image.
    """
    sizes = [len(rows) for rows in rows_by_label(examples.targets, len(labels))]
    for label, size in zip(labels, sizes, strict=True):
        if size < 2:
            raise DataError(
                f"class {label!r}: expected at least 2 readable images to hold one out, "
                f"found {size}"
            )
    quotas = [min(max(1, round(share * size)), size - 1) for size in sizes]
    return _divided(examples, draw(examples.targets, quotas, seed))


def for_selection(data: TaskData, amount: float, seed: int) -> TaskData:
    """Return the problem in which hyperparameters are chosen.

    It has a validation part to measure on, and its test part is sealed. The paper's VTAB-1k
    protocol is amount 200 of 1,000 training images, then `with_all_training` of the whole.

    Args:
        amount: as for `with_validation`.
    """
    return replace(with_validation(data, amount, seed), test=SEALED)


def with_validation(data: TaskData, amount: float, seed: int) -> TaskData:
    """Return the problem with a validation part that is not learned from.

    It is the source's own, or one drawn from `train`.

    Args:
        amount: where the source has no such part, a share below 1 of each class's training images,
            or their total number.

    Raises:
        DataError: there is no such part to draw.
    """
    if data.validation is not None:
        return data
    sizes = [len(rows) for rows in rows_by_label(data.train.targets, len(data.labels))]
    drawn = draw(data.train.targets, _validation_quotas(sizes, amount, len(data.train)), seed)
    if not drawn:
        raise DataError(
            f"validation: expected at least 1 of {len(data.train)} training images, "
            f"found none in {amount}"
        )
    train, validation = _divided(data.train, drawn)
    return replace(data, train=train, validation=validation)


def with_all_training(data: TaskData) -> TaskData:
    """Return the problem after the choice: the validation part is learned from too."""
    if data.validation is None:
        return data
    return replace(data, train=data.train.joined(data.validation), validation=None)


def take_shots(data: TaskData, shots: int, seed: int) -> TaskData:
    """Reduce the training part to `shots` images of each class.

    In a multi-label set each label has at least that many images. With the same seed, more shots
    include all images of fewer.

    Raises:
        DataError: a class has fewer.
    """
    sizes = [len(rows) for rows in rows_by_label(data.train.targets, len(data.labels))]
    for label, size in zip(data.labels, sizes, strict=True):
        if size < shots:
            raise DataError(
                f"shots: expected at most {size}, the training images of class {label!r}, "
                f"found {shots}"
            )
    rows = draw(data.train.targets, [shots] * len(sizes), seed)
    return replace(data, train=data.train.take(rows))


def take_fraction(data: TaskData, share: float, seed: int) -> TaskData:
    """Reduce the training part to `share` of each class, at least one image of each.

    With the same seed, a larger share includes all images of a smaller one.
    """
    sizes = [len(rows) for rows in rows_by_label(data.train.targets, len(data.labels))]
    quotas = [max(1, round(share * size)) for size in sizes]
    return replace(data, train=data.train.take(draw(data.train.targets, quotas, seed)))


def draw(targets: Sequence[Target], quotas: Sequence[int], seed: int) -> list[int]:
    """Draw rows until every label has its quota; return them in ascending order.

    In a multi-label set a row counts for all its labels. As in iterative stratification (Sechidis
    et al. 2011) the rarest label is served first; more common labels take the rows that it passed
    over last.
    """
    members = rows_by_label(targets, len(quotas))
    drawn: set[int] = set()
    passed: set[int] = set()  # rows of labels that were served before
    for label in sorted(range(len(quotas)), key=lambda label: len(members[label])):
        # a generator of its own for each label: a larger quota extends the draw of a smaller one
        order = np.random.default_rng([seed, label]).permutation(members[label]).tolist()
        free = sorted((row for row in order if row not in drawn), key=passed.__contains__)
        already_drawn = len(order) - len(free)
        drawn.update(free[: max(0, quotas[label] - already_drawn)])
        passed.update(order)
    return sorted(drawn)


def rows_by_label(targets: Sequence[Target], labels: int) -> list[list[int]]:
    """Return, for each label, the rows that have it."""
    members: list[list[int]] = [[] for _ in range(labels)]
    for row, target in enumerate(targets):
        for label in indices(target):
            members[label].append(row)
    return members


def _divided(examples: Examples, drawn: list[int]) -> tuple[Examples, Examples]:
    rest = np.setdiff1d(np.arange(len(examples)), drawn).tolist()
    return examples.take(rest), examples.take(drawn)


def _validation_quotas(sizes: Sequence[int], amount: float, total: int) -> list[int]:
    if amount < 1:
        return [min(round(amount * size), size - 1) for size in sizes]
    if amount >= total or amount != int(amount):
        raise DataError(
            f"validation: expected a share below 1 or a number below {total}, found {amount:g}"
        )
    return _largest_remainders(sizes, int(amount), total)


def _largest_remainders(sizes: Sequence[int], amount: int, total: int) -> list[int]:
    """Return quotas in proportion to `sizes`, below each of them.

    They add up to `amount` where every row has one label and every label several rows.
    """
    exact = np.asarray(sizes) * (amount / total)
    quotas = np.floor(exact).astype(int)
    missing = max(0, amount - int(quotas.sum()))
    quotas[np.argsort(quotas - exact, kind="stable")[:missing]] += 1
    return np.minimum(quotas, np.maximum(np.asarray(sizes) - 1, 0)).tolist()
