"""How many threads a forward uses on this machine.

Decoding and the event loop need the same cores, so a forward uses no more than help it much.
"""

from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

import torch

from facet_vision.backbone import Backbone

ACCEPTED_SLOWDOWN = 1.25
"""Times the fastest forward that one with fewer threads may take.

A small network gains little by more threads.
"""

ACCEPTED_EXTRA_SECONDS = 0.003
"""Seconds beyond the fastest that an image may always take: less than the rest of a request."""

TIMED_FORWARDS = 5

MAX_WORKERS = 4
"""Most forwards at once: between their operations all of them need the interpreter's lock."""


def engine_threads(backbone: Backbone, most: int) -> int:
    """Return the fewest threads with which one image takes little longer than the least time.

    It is measured now, on a CPU, and in a thread that ends: every thread that computes in parallel
    has a pool for as long as it lives, which would be in the way of the engine's.
    """
    if backbone.device.type != "cpu" or most == 1:
        return most
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(_fewest, backbone, most).result()


def engine_workers(backbone: Backbone, most: int, threads: int, http_workers: int) -> int:
    """Return how many forwards, of `threads` threads each, run at once on `most` cores.

    One where a GPU computes them, and one where the same process also speaks HTTP: there, what the
    cores gain is lost again in waiting for the interpreter's lock.
    """
    if backbone.device.type != "cpu" or not http_workers:
        return 1
    return max(1, min(MAX_WORKERS, most // threads))


def use_threads(threads: int | None) -> None:
    """Let the calling thread compute with `threads` threads; None leaves torch's own number.

    Each thread that computes in parallel has an OpenMP pool of its own. While there are more pool
    threads than cores, they all sleep between any two operations, and waking them takes longer
    than a small operation. So only the engine's threads have pools.
    """
    if threads:
        torch.get_num_threads()  # a thread takes over the common number when it first looks
        torch.set_num_threads(threads)


@torch.inference_mode()
def _fewest(backbone: Backbone, most: int) -> int:
    # A thread takes over the common number when it first looks, and has its own from then on.
    torch.get_num_threads()
    times = {threads: _seconds(backbone, threads) for threads in _counts(most)}
    least = min(times.values())
    enough = max(ACCEPTED_SLOWDOWN * least, least + ACCEPTED_EXTRA_SECONDS)
    return next(threads for threads, seconds in times.items() if seconds <= enough)


def _counts(most: int) -> list[int]:
    """Return 1, 2, 4 and so on, and `most`."""
    return [*(1 << power for power in range(most.bit_length()) if 1 << power < most), most]


def _seconds(backbone: Backbone, threads: int) -> float:
    torch.set_num_threads(threads)
    image = torch.zeros(1, *backbone.input_size)
    times = []
    for _ in range(1 + TIMED_FORWARDS):
        begun = perf_counter()
        backbone.features(image)
        times.append(perf_counter() - begun)
    return min(times[1:])  # the first one warms up
