"""Lag of a server's event loop, by its metrics."""

import re
from collections.abc import Mapping

import httpx

from facet_vision.bench.servers.processes import Server

_BUCKET = re.compile(r'facet_event_loop_lag_seconds_bucket\{le="(.+)"\} (\S+)')

Histogram = Mapping[float, float]
"""For each bound in seconds how often the loop was late by at most that."""


def lags(server: Server) -> Histogram:
    """Read the counts up to now."""
    text = httpx.get(f"{server.url}/metrics", timeout=60).text
    return {float(bound): float(count) for bound, count in _BUCKET.findall(text)}


def late_at_most(before: Histogram, after: Histogram, share: float) -> float:
    """Return the least bound in seconds that `share` of the counts in between do not exceed."""
    counts = {bound: after[bound] - before[bound] for bound in sorted(after)}
    total = max(counts.values(), default=0.0)
    return next((bound for bound, count in counts.items() if count >= share * total), 0.0)
