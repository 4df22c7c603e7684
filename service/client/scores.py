"""A task's scores for all its labels on many images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .client import Client
from .errors import ClientError
from .parts import in_requests


class Scored(NamedTuple):
    """Scores of an image, and where they were asked for its distance from the nearest class."""

    scores: list[float]
    distance: float | None


def scores(
    client: Client,
    task: str,
    version: int,
    labels: Sequence[str],
    images: Iterable[tuple[str, bytes]],
    *,
    distances: bool = False,
) -> list[Scored]:
    """Return for each image the score of every label, in the order of `labels`.

    A score is the probability, or the logit of a task without activation.

    Args:
        version: the live one, to which the labels belong.
        images: name and encoded bytes of each.
        distances: whether the task's file says how far images are from its classes.

    Raises:
        ClientError: the server refuses, or another version has become live.
    """
    found = []
    for group in in_requests(images):
        sent = [(name, data) for name, data in group if isinstance(data, bytes)]
        for result in client.predict(task, sent, top_k=len(labels), abstain=distances):
            _check_version(task, version, result.version)
            by_label = {each.label: each.value for each in result.predictions}
            found.append(Scored([by_label[label] for label in labels], result.distance))
    return found


def _check_version(task: str, expected: int, found: int) -> None:
    if found != expected:
        raise ClientError(
            f"task '{task}': expected answers of version {expected}, found one of version {found}, "
            "which has become live meanwhile"
        )
