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

BATCH = 64


@dataclass(frozen=True)
class Trained:
    """A file that `facet train` wrote: a task file, or a checkpoint of a method with a backbone of its own."""

    path: Path
    content: TaskFile | Checkpoint

    @property
    def manifest(self) -> Manifest:
        return self.content.manifest

    def features(self, backbone: Backbone) -> Callable[[Tensor], Tensor]:
        """From preprocessed images (batch, 3, height, width) to pooled features (batch, feature_dim).

        Raises:
            WrongBackbone: it was trained on another backbone.
        """
        if isinstance(self.content, Checkpoint):
            method = self.content.restore(backbone)
            return lambda images: method.features(method.frozen_part(images))
        self.content.check_fits(backbone)
        prompts = self.content.prompts
        return lambda images: backbone.features(images, prompts)


def read(path: Path) -> Trained:
    """Read either kind of file; raises TaskFileError or CheckpointError, and OSError where there is none."""
    return Trained(path, Checkpoint.load(path) if _is_checkpoint(path) else TaskFile.load(path))


def _is_checkpoint(path: Path) -> bool:
    try:
        with safe_open(path, "pt") as file:
            return CHECKPOINT_KEY in (file.metadata() or {})
    except (OSError, SafetensorError):
        return False  # whoever reads it as a task file says what is wrong


def check_labels(trained: Trained, data: TaskData) -> None:
    """Raise TrainingError where a file was trained for other classes than the data has, or images have several."""
    if data.multi_label:
        raise DataError("data: expected one label for each image, found a multi-label set")
    if trained.manifest.labels != data.labels:
        expected, found = (", ".join(names[:4]) for names in (data.labels, trained.manifest.labels))
        raise TrainingError(
            f"{trained.path.name}: expected a task of the classes {expected}, found one of {found}"
        )


def extract(features: Callable[[Tensor], Tensor], images: Inputs) -> np.ndarray:
    """The features of all images, (images, feature_dim) float32."""
    with torch.inference_mode():
        found = [
            features(batch).float().cpu() for batch in images.batches(in_order(len(images), BATCH))
        ]
    return torch.cat(found).numpy()
