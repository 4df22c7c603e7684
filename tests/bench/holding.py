"""For a process of its own, which cannot import a test file."""

from collections.abc import Callable

import torch
from torch import Tensor


def holding(held: int, more: int) -> Callable[[], Tensor]:
    """Hold some bytes from now on; the result takes more of them for as long as it is called."""
    block = torch.ones(held, dtype=torch.uint8)
    return lambda: torch.ones(more, dtype=torch.uint8).max() + block[0]
