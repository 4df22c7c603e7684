"""Balance of the classes in the training images, as readable lines."""

from __future__ import annotations

from collections.abc import Iterator

from .examples import TaskData, indices
from .splits import rows_by_label

IMBALANCE_RATIO = 3
"""From this ratio of the largest to the smallest class on, an imbalance is reported."""


def balance(data: TaskData) -> Iterator[str]:
    """Yield a line about the training images, and further lines about what deserves attention."""
    members = rows_by_label(data.train.targets, len(data.labels))
    sizes = {label: len(rows) for label, rows in zip(data.labels, members, strict=True)}
    least = min(sizes, key=sizes.__getitem__)
    most = max(sizes, key=sizes.__getitem__)
    noun = "labels" if data.multi_label else "classes"
    yield (
        f"data: {data.summary}; {len(sizes)} {noun} "
        f"with {_range(sizes[least], sizes[most])} training images each"
    )
    if data.multi_label:
        yield _labels_per_image(data)
    if sizes[most] >= IMBALANCE_RATIO * sizes[least]:
        yield (
            f"imbalance: {most!r} has {sizes[most]} training images, {least!r} has {sizes[least]}; "
            f"judge by the metrics that count every class alike"
        )


def _range(least: int, most: int) -> str:
    return str(least) if least == most else f"{least} to {most}"


def _labels_per_image(data: TaskData) -> str:
    counts = [len(indices(target)) for target in data.train.targets]
    return f"labels: {sum(counts) / len(counts):.2f} on an image, none on {counts.count(0)}"
