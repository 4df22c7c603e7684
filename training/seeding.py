"""Seeding of torch's global generators from one explicit generator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def seeded(generator: torch.Generator) -> Iterator[None]:
    """Seed torch's global generators from `generator` while the block runs, then restore them.

    Some layers of torch draw from the global generators alone. `generator` itself does not
    advance: what it draws next is the same with and without the block.
    """
    seed = int(torch.randint(2**62, (), generator=generator.clone_state()))
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        yield


def global_state() -> dict[str, Any]:
    """Return the state of torch's global generators, of the CPU and of every CUDA device."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {"cpu": torch.get_rng_state(), "cuda": cuda}


def set_global_state(state: dict[str, Any]) -> None:
    """Restore what `global_state` returned; devices that this machine lacks are skipped."""
    torch.set_rng_state(state["cpu"])
    for device, cuda in enumerate(state["cuda"][: torch.cuda.device_count()]):
        torch.cuda.set_rng_state(cuda, device)
