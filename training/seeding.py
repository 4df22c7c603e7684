"""One source of randomness, also for what can draw from torch's global generator alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def seeded(generator: torch.Generator) -> Iterator[None]:
    """Seed torch's global generators from `generator` while the block runs, then leave them as they were.

    `generator` itself does not move on: what it draws next is the same with and without the block.
    """
    seed = int(torch.randint(2**62, (), generator=generator.clone_state()))
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        yield
