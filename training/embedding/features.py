"""Features of images as the head of a trained task sees them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from facet_vision.training.data.as_trained import read_as_trained
from facet_vision.training.data.datasets import TaskData
from facet_vision.training.data.images import Inputs, in_order
from facet_vision.training.errors import DataError, TrainingError
from facet_vision.training.identity import digest_of
from facet_vision.training.output.trained_file import TrainedFile

BATCH_ROWS = 64
"""Images that are run at a time."""


def check_labels(trained: TrainedFile, data: TaskData) -> None:
    """Check that the file was trained for the classes of the data.

    Raises:
        DataError: images have several labels.
        TrainingError: the classes differ.
    """
    if data.multi_label:
        raise DataError("data: expected one label for each image, found a multi-label set")
    if trained.manifest.labels != data.labels:
        # The first classes are enough to recognise the mistake.
        expected, found = (", ".join(names[:4]) for names in (data.labels, trained.manifest.labels))
        raise TrainingError(
            f"{trained.path.name}: expected a task of the classes {expected}, found one of {found}"
        )


def check_held_out(files: Sequence[TrainedFile], source: str, data: TaskData) -> None:
    """Check that no file learned from the images that are held out from the first one.

    Args:
        data: the source as it was read when the first file was trained.

    Raises:
        TrainingError: another file was trained with other images held out.
    """
    expected = digest_of(data.test)
    for file in files[1:]:
        if digest_of(read_as_trained(source, file.manifest.recipe).test) != expected:
            raise TrainingError(
                f"{file.path.name}: expected a task with the held-out images of "
                f"{files[0].path.name}, found one with others; train both with one seed and holdout"
            )


def extract(features: Callable[[Tensor], Tensor], images: Inputs) -> np.ndarray:
    """Return the features of all images, (images, feature_dim) float32."""
    rows = in_order(len(images), BATCH_ROWS)
    with torch.inference_mode():
        found = [features(batch).float().cpu() for batch in images.batches(rows)]
    return torch.cat(found).numpy()
