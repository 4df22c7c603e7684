"""The identity of a backbone: a hash of the weights that tasks were learned against."""

import hashlib

import torch
from torch import nn

# A classifier that happens to sit on the model does not change what a task sees.
CLASSIFIER_PREFIXES = ("head.", "head_dist.")


def fingerprint(model: nn.Module) -> str:
    """Return the sha256 (64 hex digits) over names, shapes and float32 bytes of all weights but the classifier's.

    Integer buffers (BatchNorm's batch counter) are left out: they do not enter the forward.
    """
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        if name.startswith(CLASSIFIER_PREFIXES) or not value.is_floating_point():
            continue
        array = value.detach().to("cpu", torch.float32).contiguous().numpy()
        digest.update(f"{name}{tuple(value.shape)}".encode())
        digest.update(array.data)
    return digest.hexdigest()
