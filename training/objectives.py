"""What is minimised: one loss for targets of one label, one for targets of any number of them.

Which it is shows in the targets: indices (images,), or zeros and ones (images, labels).
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def loss_of(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean over the images of the cross-entropy, or of the binary cross-entropies summed over the labels.

    The sum keeps the size of the gradient, and with it the learning rates, what they are for a single label.

    Args:
        logits: (images, labels).
    """
    if not is_multi_label(targets):
        return F.cross_entropy(logits, targets)
    return F.binary_cross_entropy_with_logits(logits, targets, reduction="sum") / len(targets)


def is_multi_label(targets: Tensor) -> bool:
    return targets.ndim == 2
