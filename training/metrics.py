"""How well a task does on held-out images, computed from what its task file holds."""

from __future__ import annotations

import torch
from sklearn.metrics import accuracy_score, f1_score
from torch import Tensor

from backbone import Backbone
from prompts_store import TaskFile

from .images import Inputs, in_order

BATCH = 64


def predict(task: TaskFile, backbone: Backbone, images: Inputs) -> Tensor:
    """The index of the most likely label of every image, (images,)."""
    head = task.head.to(backbone.device, torch.float32)
    with torch.inference_mode():
        choices = [
            head(backbone.features(batch, task.prompts).float()).argmax(dim=1).cpu()
            for batch in images.batches(in_order(len(images), BATCH))
        ]
    return torch.cat(choices)


def measure(predicted: Tensor, targets: Tensor) -> dict[str, float]:
    """Accuracy and macro-averaged F1, both in [0, 1], and the number of held-out images."""
    return {
        "accuracy": float(accuracy_score(targets, predicted)),
        "macro_f1": float(f1_score(targets, predicted, average="macro")),
        "held_out_images": float(len(targets)),
    }
