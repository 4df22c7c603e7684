"""How promptly the event loop comes round: whatever holds it up makes all that is due late by as much."""

import asyncio
from collections.abc import Callable
from time import perf_counter

EVERY_SECONDS = 0.02
"""A halt of the loop for longer than this is always seen."""


async def watch_lag(observe: Callable[[float], None]) -> None:
    """Tell for ever, time after time, how many seconds late the loop ran what was due."""
    while True:
        due = perf_counter() + EVERY_SECONDS
        await asyncio.sleep(EVERY_SECONDS)
        observe(max(0.0, perf_counter() - due))
