"""The weights of a backbone as a hash."""

import hashlib
from typing import Any

import torch
from timm.models.deit import VisionTransformerDistilled
from timm.models.eva import Eva
from timm.models.swin_transformer import SwinTransformer
from timm.models.vision_transformer import VisionTransformer
from torch import nn

WITH_PROMPTS = (VisionTransformer, VisionTransformerDistilled, Eva, SwinTransformer)
"""Networks whose head is a classifier and nothing else."""

CLASSIFIER_PREFIXES = ("head.", "head_dist.")
"""Names of what stands on top of the pooled feature, which tasks read; no part of the identity."""


def classifier_prefixes(model: Any) -> tuple[str, ...]:
    """Return how the names of a model's classifier begin.

    In other networks than those with prompts a head may hold more than a classifier, such as the
    last norm, so the classifier alone is meant there.
    """
    if type(model) in WITH_PROMPTS:
        return CLASSIFIER_PREFIXES
    found = model.get_classifier()
    classifiers = found if isinstance(found, tuple | list) else [found]
    return tuple(
        f"{name}."
        for name, module in model.named_modules()
        if any(module is classifier for classifier in classifiers)
    )


def weights_digest(model: nn.Module) -> str:
    """Return the sha256 (64 hex digits) of a model's weights, classifier left out.

    It covers names, shapes and float32 bytes, in the order of the names. Integer buffers
    (BatchNorm's batch counter) are left out: they do not enter the forward.
    """
    digest, left_out = hashlib.sha256(), classifier_prefixes(model)
    for name, value in sorted(model.state_dict().items()):
        if name.startswith(left_out) or not value.is_floating_point():
            continue
        array = value.detach().to("cpu", torch.float32).contiguous().numpy()
        digest.update(f"{name}{tuple(value.shape)}".encode())
        digest.update(array.data)
    return digest.hexdigest()
