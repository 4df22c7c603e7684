"""The lag of the event loop.

Whatever blocks the loop delays everything that is due by as much.
"""

import asyncio
from collections.abc import Callable
from time import perf_counter

INTERVAL_SECONDS = 0.02
"""A block of the loop for longer than this is always seen."""


async def watch_lag(observe: Callable[[float], None]) -> None:
    """Call `observe` for ever, each time with the seconds by which the loop was late."""
    while True:
        due = perf_counter() + INTERVAL_SECONDS
        await asyncio.sleep(INTERVAL_SECONDS)
        observe(max(0.0, perf_counter() - due))
