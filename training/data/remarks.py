"""What a person should know about data before learning from it, a sentence each."""

from __future__ import annotations

from collections.abc import Iterator

from .datasets import Examples, TaskData

SHOWN = 5
"""How many images under different labels are named."""


def remarks(data: TaskData) -> Iterator[str]:
    """Yield what was skipped, what stands in two parts, and what has contradictory labels.

    Images are the same if their origins' digests are: those of equal decoded pixels.
    """
    for sentence in data.skipped:
        yield f"skipped {sentence}"
    for name in ("held-out", "validation"):
        if name in data.parts:
            yield from _in_two_parts(data, data.parts[name], name)
    yield from _contradictory(data)


def _in_two_parts(data: TaskData, part: Examples, name: str) -> Iterator[str]:
    learned = {origin.digest: origin.name for origin in reversed(data.train.origins)}
    found = [origin for origin in part.origins if origin.digest in learned]
    if found:
        yield (
            f"warning: {len(found)} of {len(part)} {name} images also found among the training "
            f"images, such as {found[0].name}, the same as {learned[found[0].digest]}; "
            "metrics on them say too much"
        )


def _contradictory(data: TaskData) -> Iterator[str]:
    """Yield a sentence about the images that stand there several times with different labels."""
    labelled: dict[bytes, dict[str, str]] = {}  # of each image: a name by its labels
    for part in data.parts.values():
        # not strict: the sets of the package have no origins
        for origin, target in zip(part.origins, part.targets, strict=False):
            labels = data.names(target) or "no label"
            labelled.setdefault(origin.digest, {}).setdefault(labels, origin.name)
    found = [names for names in labelled.values() if len(names) > 1]
    if found:
        shown = [
            " and ".join(f"{name} ({labels})" for labels, name in names.items())
            for names in found[:SHOWN]
        ]
        more = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        noun = "image" if len(found) == 1 else "images"
        yield f"warning: {len(found)} {noun} under different labels: {'; '.join(shown)}{more}"
