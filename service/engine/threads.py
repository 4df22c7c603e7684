"""How many threads a forward should have on this machine's cores, which decoding and the event loop need as well."""

from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

import torch

from facet_vision.backbone import Backbone

WORTH = 1.25
"""Times the fastest forward that one with fewer threads may take: a small network gains little by more of them."""

LITTLE_SECONDS = 0.003
"""What an image may take longer at any rate: less than the rest of a request takes."""

REPEATS = 5

MOST_WORKERS = 4
"""Forwards at once: between their operations all of them need the interpreter's lock."""


def engine_threads(backbone: Backbone, most: int) -> int:
    """The fewest threads with which one image takes little longer than the least; measured now, on a CPU.

    It is done in a thread that ends: every thread that computes in parallel keeps a pool, which would be in the way.
    """
    if backbone.device.type != "cpu" or most == 1:
        return most
    with ThreadPoolExecutor(1) as apart:
        return apart.submit(_fewest, backbone, most).result()


def engine_workers(backbone: Backbone, most: int, threads: int, http_workers: int) -> int:
    """How many forwards of so many threads each should run at once on so many cores.

    One where a GPU computes them, and one where the same process also speaks HTTP: then what the cores gain is lost
    again in waiting for the interpreter's lock.
    """
    if backbone.device.type != "cpu" or not http_workers:
        return 1
    return max(1, min(MOST_WORKERS, most // threads))


def use_threads(threads: int | None) -> None:
    """Let the calling thread compute with so many threads; None leaves torch's own number.

    Each thread that computes in parallel has an OpenMP pool of its own. While there are more pool threads than cores,
    they all sleep between any two operations, and waking them takes longer than a small operation. So only the
    engine's threads have pools.
    """
    if threads:
        torch.get_num_threads()  # a thread takes over the common number when it first looks
        torch.set_num_threads(threads)


@torch.inference_mode()
def _fewest(backbone: Backbone, most: int) -> int:
    torch.get_num_threads()  # a thread takes over the common number when it first looks, and keeps its own from then on
    times = {threads: _seconds(backbone, threads) for threads in _counts(most)}
    least = min(times.values())
    enough = max(WORTH * least, least + LITTLE_SECONDS)
    return next(threads for threads, seconds in times.items() if seconds <= enough)


def _counts(most: int) -> list[int]:
    """1, 2, 4 and so on, and `most`."""
    return [*(1 << power for power in range(most.bit_length()) if 1 << power < most), most]


def _seconds(backbone: Backbone, threads: int) -> float:
    torch.set_num_threads(threads)
    image, times = torch.zeros(1, *backbone.input_size), []
    for _ in range(1 + REPEATS):
        begun = perf_counter()
        backbone.features(image)
        times.append(perf_counter() - begun)
    return min(times[1:])  # the first warms up
