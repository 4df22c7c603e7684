"""Features of images as the head of a trained task sees them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from facet_vision.backbone import Backbone
from facet_vision.prompts_store import Manifest, TaskFile
from facet_vision.prompts_store.header import CHECKPOINT_KEY
from facet_vision.training.data.datasets import TaskData
from facet_vision.training.data.images import Inputs, in_order
from facet_vision.training.errors import DataError, TrainingError
from facet_vision.training.output.checkpoints import Checkpoint

BATCH_ROWS = 64
"""Images that are run at a time."""


@dataclass(frozen=True)
class TrainedFile:
    """A file of `facet train`.

    A task file, or a checkpoint of a method with a backbone of its own.
    """

    path: Path
    content: TaskFile | Checkpoint

    @property
    def manifest(self) -> Manifest:
        return self.content.manifest

    def features(self, backbone: Backbone) -> Callable[[Tensor], Tensor]:
        """Return the function from images to the features that the head reads.

        From preprocessed images (batch, 3, height, width) to pooled features (batch, feature_dim).

        Raises:
            WrongBackbone: it was trained on another backbone.
        """
        if isinstance(self.content, Checkpoint):
            method = self.content.restore(backbone)
            return lambda images: method.features(method.frozen_part(images))
        self.content.check_fits(backbone)
        prompts = self.content.prompts
        return lambda images: backbone.features(images, prompts)


def read(path: Path) -> TrainedFile:
    """Read either kind of file.

    Raises:
        TaskFileError, CheckpointError: the file is not valid.
        OSError: there is no such file.
    """
    return TrainedFile(path, Checkpoint.load(path) if _is_checkpoint(path) else TaskFile.load(path))


def _is_checkpoint(path: Path) -> bool:
    try:
        with safe_open(path, "pt") as file:
            return CHECKPOINT_KEY in (file.metadata() or {})
    except (OSError, SafetensorError):
        return False  # reading it as a task file reports what is wrong


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


def extract(features: Callable[[Tensor], Tensor], images: Inputs) -> np.ndarray:
    """Return the features of all images, (images, feature_dim) float32."""
    rows = in_order(len(images), BATCH_ROWS)
    with torch.inference_mode():
        found = [features(batch).float().cpu() for batch in images.batches(rows)]
    return torch.cat(found).numpy()
