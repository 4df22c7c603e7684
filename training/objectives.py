"""Loss functions: one for single labels, one for any number of labels.

The shape of the targets selects the loss: indices (images,), or zeros and ones (images, labels).
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def loss_of(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the mean loss over the images, a scalar.

    It is the cross-entropy, or for multi-label targets the sum over the labels of the binary
    cross-entropies. The sum leaves the size of the gradient, and with it suitable learning rates,
    as for a single label.

    Args:
        logits: (images, labels).
        targets: (images,) indices, or (images, labels) zeros and ones.
    """
    if not is_multi_label(targets):
        return F.cross_entropy(logits, targets)
    return F.binary_cross_entropy_with_logits(logits, targets, reduction="sum") / len(targets)


def is_multi_label(targets: Tensor) -> bool:
    """Return whether the targets are zeros and ones (images, labels)."""
    return targets.ndim == 2
