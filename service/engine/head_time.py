"""How long the heads of a batch take, measured where they are computed."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from time import perf_counter

import torch


@dataclass
class HeadTime:
    """Seconds of heads, and of bringing their scores to the host."""

    seconds: float = 0.0


_measuring: ContextVar[HeadTime | None] = ContextVar("heads", default=None)


@contextmanager
def measured() -> Iterator[HeadTime]:
    """Add up what this thread spends in `heads` within the block."""
    time = HeadTime()
    token = _measuring.set(time)
    try:
        yield time
    finally:
        _measuring.reset(token)


@contextmanager
def heads(device: torch.device) -> Iterator[None]:
    """Compute heads in the block, and wait for their scores there.

    On a GPU the backbone still runs when the block begins. So the device itself marks when the
    heads begin.
    """
    time = _measuring.get()
    if time is None:
        yield
    elif device.type == "cuda":
        begun, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begun.record()
        yield
        ended.record()
        ended.synchronize()  # no wait: the scores are on the host
        time.seconds += begun.elapsed_time(ended) / 1000
    else:
        started = perf_counter()
        yield
        time.seconds += perf_counter() - started
