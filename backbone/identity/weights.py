"""The weights of a backbone as a hash."""

import hashlib

import torch
from torch import nn

# Tasks read the pooled feature, so a classifier on top of the model is not part of its identity.
CLASSIFIER_PREFIXES = ("head.", "head_dist.")


def weights_digest(model: nn.Module) -> str:
    """Return the sha256 (64 hex digits) of a model's weights, classifier left out.

    It covers names, shapes and float32 bytes, in the order of the names. Integer buffers
    (BatchNorm's batch counter) are left out: they do not enter the forward.
    """
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        if name.startswith(CLASSIFIER_PREFIXES) or not value.is_floating_point():
            continue
        array = value.detach().to("cpu", torch.float32).contiguous().numpy()
        digest.update(f"{name}{tuple(value.shape)}".encode())
        digest.update(array.data)
    return digest.hexdigest()
