"""How the training images are spread over the classes, for people."""

from __future__ import annotations

from collections.abc import Iterator

from .examples import TaskData, indices
from .splits import rows_by_label

NOTED_RATIO = 3
"""The largest class may have so many times the images of the smallest before it is called an imbalance."""


def balance(data: TaskData) -> Iterator[str]:
    """A line on what there is to learn from, and others on what deserves a second look."""
    sizes = {
        label: len(rows)
        for label, rows in zip(
            data.labels, rows_by_label(data.train.targets, len(data.labels)), strict=True
        )
    }
    least, most = min(sizes, key=sizes.__getitem__), max(sizes, key=sizes.__getitem__)
    yield (
        f"data: {data.summary}; {len(sizes)} {'labels' if data.multi_label else 'classes'} "
        f"with {_range(sizes[least], sizes[most])} training images each"
    )
    if data.multi_label:
        yield _labels_per_image(data)
    if sizes[most] >= NOTED_RATIO * sizes[least]:
        yield (
            f"imbalance: {most!r} has {sizes[most]} training images, {least!r} has {sizes[least]}; "
            f"judge by the metrics that count every class alike"
        )


def _range(least: int, most: int) -> str:
    return str(least) if least == most else f"{least} to {most}"


def _labels_per_image(data: TaskData) -> str:
    counts = [len(indices(target)) for target in data.train.targets]
    return f"labels: {sum(counts) / len(counts):.2f} on an image, none on {counts.count(0)}"
