"""An evaluation as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from facet_vision.common.terminal import aligned
from facet_vision.prompts_store.metrics import metric_words
from facet_vision.training.confidence.calibration import BINS

from .abstention import Abstention
from .measures import Evaluation, LabelResult

MATRIX_LABELS = 12
"""Up to so many labels the confusion matrix fits a terminal."""
MOST_LABELS = 50
MOST_CONFUSIONS = 10


def text(evaluation: Evaluation, of: str, images: str) -> str:
    """Return all numbers in tables.

    Args:
        of: what was evaluated.
        images: what kind of images, and where they are from.
    """
    parts = [_head(evaluation, of, images), _labels(evaluation), _confusion(evaluation)]
    return "\n\n".join("\n".join(lines) for lines in map(list, parts) if lines)


def _head(evaluation: Evaluation, of: str, images: str) -> Iterator[str]:
    metrics = ", ".join(
        f"{metric_words(name)} {value:.3f}" for name, value in evaluation.metrics.items()
    )
    yield f"{of}: {metrics} on {evaluation.images} {images}"
    found = evaluation.calibration
    if found is not None:
        what = "answers right" if evaluation.confusion else "labels present"
        yield (
            f"calibration error {found.error:.3f} in {BINS} bins: "
            f"mean probability {found.probability:.3f}, {what} {found.right:.3f}"
        )
    if evaluation.abstention is not None:
        yield _abstention(evaluation.abstention)


def _abstention(found: Abstention) -> str:
    right = "" if found.accuracy is None else f", {found.accuracy:.3f} of these right"
    line = f"where it may abstain: {found.answered:.3f} answered{right}"
    if found.refused is None:
        return line
    return f"{line}; of {found.others} images of no label of it {found.refused:.3f} not answered"


def _labels(evaluation: Evaluation) -> Iterator[str]:
    shown = evaluation.labels
    if len(shown) > MOST_LABELS:
        yield f"the {MOST_LABELS} labels of lowest F1, of {len(shown)} (--json has all):"
        shown = tuple(sorted(shown, key=_by_f1)[:MOST_LABELS])
    several = evaluation.confusion is None
    names = ["label", "images", "precision", "recall", "F1"]
    rows = [names + ["average precision"] * several]
    for each in shown:
        numbers = [each.precision, each.recall, each.f1] + [each.average_precision] * several
        rows.append([each.label, str(each.images), *map(_number, numbers)])
    yield from aligned(rows)


def _by_f1(result: LabelResult) -> float:
    return 1.0 if result.f1 is None else result.f1


def _number(number: float | None) -> str:
    return "-" if number is None else f"{number:.3f}"


def _confusion(evaluation: Evaluation) -> Iterator[str]:
    matrix = evaluation.confusion
    if matrix is None:
        return
    labels = [each.label for each in evaluation.labels]
    if len(labels) <= MATRIX_LABELS:
        yield "images by their label (rows) and by the answer (columns):"
        rows = [[label, *map(str, row)] for label, row in zip(labels, matrix, strict=True)]
        yield from aligned([["", *labels], *rows])
        return
    wrong = [
        (count, f"{labels[row]} as {labels[column]}: {count}")
        for row, counts in enumerate(matrix)
        for column, count in enumerate(counts)
        if count and row != column
    ]
    if wrong:
        yield "most frequent confusions (--json has the whole matrix):"
        wrong.sort(key=lambda each: -each[0])
        yield from (line for _, line in wrong[:MOST_CONFUSIONS])
