"""What `facet train` writes, read again: a task file or a checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from facet_vision.backbone import Backbone
from facet_vision.prompts_store import Manifest, TaskFile
from facet_vision.prompts_store.header import CHECKPOINT_KEY
from facet_vision.training.data.images import Inputs
from facet_vision.training.metrics import features_of, logits_of, predict_live

from .checkpoints import Checkpoint


@dataclass(frozen=True)
class Answers:
    """What a task computes of some images.

    Attributes:
        logits: (images, labels), divided by the temperature where there is one.
        distances: (images,), from the nearest class; None where the file says nothing of that.
    """

    logits: Tensor
    distances: Tensor | None = None


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
        task = self.content
        return lambda images: backbone.features(images, task.prompts, task.parts)

    def answers(self, backbone: Backbone, images: Inputs) -> Answers:
        """Return what a server computes of preprocessed images.

        Raises:
            WrongBackbone: it was trained on another backbone.
        """
        temperature = self.manifest.temperature or 1
        if isinstance(self.content, Checkpoint):
            logits = predict_live(self.content.restore(backbone), images)
            return Answers(logits / temperature)
        self.content.check_fits(backbone)
        features = features_of(self.content, backbone, images)
        logits = logits_of(self.content, features) / temperature
        distance = self.content.far()
        if distance is None:
            return Answers(logits)
        return Answers(logits, distance.to(dtype=torch.float32)(features))


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
