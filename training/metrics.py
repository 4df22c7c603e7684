"""How well a task does on held-out images, computed as it will be."""

from __future__ import annotations

from collections.abc import Callable

import torch
from sklearn.metrics import accuracy_score, f1_score
from torch import Tensor

from backbone import Backbone
from prompts_store import TaskFile

from .images import Inputs, in_order
from .methods import Method

BATCH = 64


def predict(task: TaskFile, backbone: Backbone, images: Inputs) -> Tensor:
    """The index of the most likely label of every image, (images,)."""
    head = task.head.to(backbone.device, torch.float32)
    return _choices(lambda batch: head(backbone.features(batch, task.prompts).float()), images)


def predict_live(method: Method, images: Inputs) -> Tensor:
    """The same by a method in hand, in evaluation mode."""
    return _choices(method, method.prepare(images))


def _choices(logits: Callable[[Tensor], Tensor], inputs: Inputs) -> Tensor:
    with torch.inference_mode():
        batches = inputs.batches(in_order(len(inputs), BATCH))
        return torch.cat([logits(batch).argmax(dim=1).cpu() for batch in batches])


def measure(predicted: Tensor, targets: Tensor) -> dict[str, float]:
    """Accuracy and macro-averaged F1, both in [0, 1], and the number of held-out images."""
    return {
        "accuracy": float(accuracy_score(targets, predicted)),
        "macro_f1": float(f1_score(targets, predicted, average="macro")),
        "held_out_images": float(len(targets)),
    }
