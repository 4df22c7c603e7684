"""The event loop's lag is measured and reported."""

import asyncio
import time

from facet_vision.service.telemetry.loop_lag import watch_lag
from tests.service.support.app import metrics


def test_a_blocked_loop_is_seen() -> None:
    seen: list[float] = []

    async def block() -> None:
        watching = asyncio.create_task(watch_lag(seen.append))
        await asyncio.sleep(0.05)
        time.sleep(0.2)
        await asyncio.sleep(0.05)
        watching.cancel()

    asyncio.run(block())
    assert max(seen) > 0.15
    assert min(seen) < 0.1


def test_it_is_in_the_metrics(serve) -> None:
    client = serve()
    for _ in range(100):
        if found := metrics(client)["facet_event_loop_lag_seconds_count"]:
            break
        time.sleep(0.02)
    assert found
